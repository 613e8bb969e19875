import type { Source } from '../source/source.ts'
import { traceExport } from '../telemetry/trace-options.ts'
import type { Tracing } from '../telemetry/tracing.ts'
import { type Shared, version } from './surroundings.ts'

/** Opens tracing if the OTEL_* variables ask for it; otherwise nothing of their SDK is loaded. */
export async function openTracing(shared: Shared, source: Source): Promise<Tracing | undefined> {
  const { id, config, clock, logger, instruments } = shared
  const to = traceExport(process.env, (message) => logger.log('warn', message))
  if (to === undefined) return undefined
  const { Tracing } = await import('../telemetry/tracing.ts')
  const { traces, streams } = config
  logger.log('info', `sampled events are traced to ${to.endpoint}`, { protocol: to.protocol })
  const tracing = await Tracing.open({
    to,
    traces,
    service: 'carillon',
    instance: id,
    version,
    broker: source.kind,
    topicOf: (stream) => streams[stream]!.topic,
    counts: instruments.gateway.traceSpans,
    clock,
    logger,
  })
  for (const name of Object.keys(streams)) instruments.stream(name).traces = tracing.stream(name)
  return tracing
}
