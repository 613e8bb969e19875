import { brokerUses } from '../base/broker-uses.ts'
import type { Histogram } from './histogram.ts'
import {
  type GatewayInstruments,
  type Instruments,
  type PartitionFigures,
  type PoolFigures,
  type StreamInstruments,
  streamStates,
  type TierFigures,
  windowTiers,
} from './instruments.ts'
import { counter, durations, gauge, histogram, type MetricFamily, point, pointsBy } from './metric.ts'

/** Buckets of live latencies, µs: 100 µs to a minute. */
const liveBoundsUs = [
  100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
  5_000_000, 10_000_000, 30_000_000, 60_000_000,
]
/** Buckets of catch-up latencies, µs: 100 ms to a week. */
const catchUpBoundsUs = [0.1, 1, 10, 60, 600, 3600, 6 * 3600, 24 * 3600, 7 * 24 * 3600].map((seconds) => seconds * 1e6)

/** Returns all metrics of the gateway, under the names listed in docs/metrics.md. */
export function families(instruments: Instruments): MetricFamily[] {
  const streams = [...instruments.streams.values()]
  return [
    ...sessionFamilies(instruments.gateway),
    ...doorFamilies(instruments.gateway),
    ...streamFamilies(streams),
    ...latencyFamilies(streams),
    ...partitionFamilies(streams),
    ...poolFamilies(instruments),
  ]
}

function sessionFamilies(gateway: GatewayInstruments): MetricFamily[] {
  return [
    gauge('carillon_sessions', 'Sessions now', pointsBy('transport', gateway.sessions)),
    gauge('carillon_sessions_behind', 'Sessions now that are behind: with a full socket, or catching up', [
      point(gateway.behind),
    ]),
    gauge('carillon_subscriptions', 'Subscriptions of all sessions now', [point(gateway.subscriptions)]),
    gauge('carillon_patterns', 'Pattern subscriptions of all sessions now', [point(gateway.patterns)]),
    gauge('carillon_session_bytes', 'Counted memory of all sessions now', [point(gateway.sessionBytes)]),
    counter('carillon_sessions_opened', 'Sessions opened', pointsBy('transport', gateway.opened)),
    counter('carillon_sessions_ended', 'Sessions ended, by reason', pointsBy('reason', gateway.ended)),
  ]
}

function doorFamilies(gateway: GatewayInstruments): MetricFamily[] {
  return [
    gauge('carillon_connections', 'Client connections now', pointsBy('kind', gateway.connections)),
    gauge('carillon_connections_limit', 'Client connections that the available descriptors allow', [
      point(gateway.maxConnections),
    ]),
    gauge('carillon_accepting', '1 while new connections are accepted', [point(gateway.accepting)]),
    counter('carillon_requests_refused', 'Requests answered with an error status', pointsBy('code', gateway.refused)),
    counter(
      'carillon_limit_refusals',
      'Connections, requests, frames and sessions that a limit refused or ended',
      pointsBy('limit', gateway.refusals.counts()),
    ),
    counter('carillon_error_frames', 'Error frames sent', pointsBy('code', gateway.errors)),
    counter('carillon_frames_received', 'Frames from clients', pointsBy('frame', gateway.framesIn)),
    counter('carillon_frames_sent', 'Frames to clients', [point(gateway.framesOut)]),
    counter('carillon_sent_bytes', 'Bytes of frames and bodies to clients', [point(gateway.bytesOut)]),
    counter('carillon_catch_up_scanned', 'Records that readers examined while catching up', [point(gateway.scanned)]),
    counter('carillon_full_writes', 'Writes that filled a socket, so that its session fell behind', [
      point(gateway.fullWrites),
    ]),
    counter('carillon_published_events', 'Events written to the broker for clients', [point(gateway.published)]),
    counter('carillon_publish_failed', 'Publish requests that failed', pointsBy('code', gateway.publishFailed)),
    histogram('carillon_publish_to_ack_seconds', "Time from a publish request to the broker's acknowledgement", [
      durations(gateway.publishToAck, liveBoundsUs),
    ]),
    counter(
      'carillon_broker_throttled_seconds',
      'Time in pauses that the broker requested because a quota was exceeded',
      brokerUses.map((use) => point(gateway.brokerPausedMs[use] / 1000, { use })),
    ),
    counter('carillon_trace_spans', 'Trace spans, by outcome', pointsBy('outcome', gateway.traceSpans)),
  ]
}

function streamFamilies(streams: readonly StreamInstruments[]): MetricFamily[] {
  const each = (value: (stream: StreamInstruments) => number) =>
    streams.map((stream) => point(value(stream), { stream: stream.stream }))
  const by = (label: string, counts: (stream: StreamInstruments) => Readonly<Record<string, number>>) =>
    streams.flatMap((stream) => pointsBy(label, counts(stream), { stream: stream.stream }))
  return [
    gauge('carillon_stream_state', '1 for the current state of the stream', by('state', stateSet)),
    counter(
      'carillon_broker_outages',
      'Times that the broker became unavailable',
      each((stream) => stream.outages),
    ),
    counter(
      'carillon_events_in',
      'Records read from the broker',
      each((stream) => stream.eventsIn),
    ),
    counter(
      'carillon_in_bytes',
      'Bytes of records read from the broker',
      each((stream) => stream.bytesIn),
    ),
    counter(
      'carillon_records_rejected',
      'Records that cannot be used',
      by('reason', (stream) => stream.rejected),
    ),
    counter('carillon_deliveries', 'Events written to sockets, live and catching up', by('mode', deliveriesByMode)),
    counter(
      'carillon_gaps',
      'Gaps sent to clients',
      by('reason', (stream) => stream.gaps),
    ),
    counter(
      'carillon_read_backs',
      'Chunks read back from the broker',
      each((stream) => stream.readBacks),
    ),
    counter(
      'carillon_read_backs_failed',
      'Chunks that could not be read',
      each((stream) => stream.readBacksFailed),
    ),
    counter(
      'carillon_read_back_records',
      'Records read back from the broker',
      each((stream) => stream.readBackRecords),
    ),
    counter(
      'carillon_read_back_bytes',
      'Bytes of keys and values read back',
      each((stream) => stream.readBackBytes),
    ),
    gauge(
      'carillon_read_back_waiting',
      'Readers waiting for a chunk now',
      each((stream) => stream.readBackWaiting),
    ),
    counter(
      'carillon_read_back_throttled_seconds',
      'Time that readBack.bytesPerSecond delayed reads',
      each((stream) => stream.readBackThrottledMs / 1000),
    ),
  ]
}

function deliveriesByMode({ deliveries, catchUpDeliveries }: StreamInstruments): Record<string, number> {
  return { live: deliveries - catchUpDeliveries, catch_up: catchUpDeliveries }
}

function stateSet(stream: StreamInstruments): Record<string, number> {
  const { state } = stream.observe()
  return Object.fromEntries(streamStates.map((each) => [each, each === state ? 1 : 0]))
}

const legs = [
  'publishToBroker',
  'brokerToRead',
  'readToWritten',
  'publishToWritten',
  'catchUpPublishToWritten',
] as const

function latencyFamilies(streams: readonly StreamInstruments[]): MetricFamily[] {
  const each = (recorded: (stream: StreamInstruments) => Histogram, boundsUs: readonly number[]) =>
    streams.map((stream) => durations(recorded(stream), boundsUs, { stream: stream.stream }))
  return [
    histogram(
      'carillon_publish_to_broker_seconds',
      "Time from the publisher's clock to the broker's record time",
      each((stream) => stream.publishToBroker, liveBoundsUs),
    ),
    histogram(
      'carillon_broker_to_read_seconds',
      "Time from the broker's record time until this gateway read the record",
      each((stream) => stream.brokerToRead, liveBoundsUs),
    ),
    histogram(
      'carillon_read_to_written_seconds',
      'Time from reading the record to writing it to the socket, every live delivery',
      each((stream) => stream.readToWritten, liveBoundsUs),
    ),
    histogram(
      'carillon_publish_to_written_seconds',
      "Time from the publisher's clock to writing to the socket, every live delivery",
      each((stream) => stream.publishToWritten, liveBoundsUs),
    ),
    histogram(
      'carillon_catch_up_publish_to_written_seconds',
      "Time from the publisher's clock to writing to the socket, deliveries while catching up",
      each((stream) => stream.catchUpPublishToWritten, catchUpBoundsUs),
    ),
    counter(
      'carillon_negative_latencies',
      'Negative latencies, because two clocks disagree; not in any histogram',
      streams.flatMap((stream) => legs.map((leg) => point(stream[leg].negative, { stream: stream.stream, leg }))),
    ),
  ]
}

function partitionFamilies(streams: readonly StreamInstruments[]): MetricFamily[] {
  const observed = streams.map((stream) => ({ stream: stream.stream, partitions: stream.observe().partitions }))
  const each = (value: (partition: PartitionFigures) => number) =>
    observed.flatMap(({ stream, partitions }) =>
      partitions.map((figures) => point(value(figures), { stream, partition: String(figures.partition) })),
    )
  const eachTier = (value: (figures: TierFigures) => number | undefined) =>
    observed.flatMap(({ stream, partitions }) =>
      partitions.flatMap(({ partition, tiers }) =>
        windowTiers.flatMap((tier) => {
          const known = value(tiers[tier])
          return known === undefined ? [] : [point(known, { stream, partition: String(partition), tier })]
        }),
      ),
    )
  return [
    gauge(
      'carillon_partition_first_offset',
      'First offset that the broker retains',
      each((figures) => figures.first),
    ),
    gauge(
      'carillon_partition_head_offset',
      'Next offset that the broker will assign',
      each((figures) => figures.head),
    ),
    gauge(
      'carillon_partition_read_offset',
      'Next offset that this gateway will read',
      each((figures) => figures.read),
    ),
    gauge(
      'carillon_partition_lag',
      'Offsets that this gateway has not read yet',
      each((figures) => Math.max(0, figures.head - figures.read)),
    ),
    gauge(
      'carillon_partition_lag_seconds',
      'Age of the oldest record that is not read yet; 0 = none',
      each((figures) => figures.unreadAgeMs / 1000),
    ),
    gauge(
      'carillon_partition_blocked',
      'Offsets after the head that an open transaction holds back',
      each((figures) => figures.blocked),
    ),
    gauge(
      'carillon_partition_blocked_seconds',
      'Time for which an open transaction has held the head back; 0 = none',
      each((figures) => figures.blockedAgeMs / 1000),
    ),
    gauge(
      'carillon_partition_subscriptions',
      'Subscriptions that read the partition',
      each((figures) => figures.subscriptions),
    ),
    gauge(
      'carillon_window_tail_offset',
      'Oldest offset in the window',
      each((figures) => figures.windowTail),
    ),
    gauge(
      'carillon_window_records',
      'Records in the window, by tier: with their payload, or in the index',
      eachTier(({ records }) => records),
    ),
    gauge(
      'carillon_window_used_bytes',
      'Memory of the window in use',
      eachTier(({ bytes }) => bytes),
    ),
    gauge(
      'carillon_window_reach_seconds',
      'Age of the oldest record in the window, by record time',
      eachTier(({ ageMs }) => (ageMs === undefined ? undefined : ageMs / 1000)),
    ),
  ]
}

function poolFamilies(instruments: Instruments): MetricFamily[] {
  const pool = instruments.observePool()
  const each = (value: (figures: PoolFigures) => number) =>
    windowTiers.map((tier) => point(value(pool[tier]), { tier }))
  return [
    gauge(
      'carillon_window_limit_bytes',
      'Memory that all windows together may hold',
      each(({ limitBytes }) => limitBytes),
    ),
    gauge(
      'carillon_window_held_bytes',
      'Memory of the slabs that windows hold',
      each(({ heldBytes }) => heldBytes),
    ),
    counter(
      'carillon_window_slabs_taken',
      'Slabs reused for newer records, the oldest of all windows first',
      each(({ taken }) => taken),
    ),
  ]
}
