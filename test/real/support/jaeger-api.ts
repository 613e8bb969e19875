import { until } from '../../support/until.ts'

/** A span as Jaeger shows it. */
export interface SeenSpan {
  readonly service: string
  readonly name: string
  readonly id: string
  /** '' = it is a root. */
  readonly parent: string
  readonly kind: string
  readonly links: readonly string[]
  readonly startUs: number
  readonly endUs: number
  readonly attributes: Readonly<Record<string, string | number | boolean>>
  readonly failed: boolean
}

/** OTLP's names of a span's kind, by number. */
const kinds = ['unspecified', 'internal', 'server', 'client', 'producer', 'consumer']
const patienceMs = 10_000

/** The spans of a trace as of now, the earliest first; none when Jaeger knows no such trace. */
export async function spansOf(jaeger: string, traceId: string): Promise<SeenSpan[]> {
  const response = await fetch(`${jaeger}/api/v3/traces/${traceId}`)
  if (response.status === 404) return []
  const body = await response.text()
  if (!response.ok) throw new Error(`Jaeger answered ${response.status}: ${body}`)
  return JSON.parse(body)
    .result.resourceSpans.flatMap(spansOfResource)
    .sort((a: SeenSpan, b: SeenSpan) => a.startUs - b.startUs)
}

/** Waits until the trace is as wanted. */
export async function traceWith(
  jaeger: string,
  traceId: string,
  wanted: (spans: readonly SeenSpan[]) => boolean,
): Promise<SeenSpan[]> {
  let spans: SeenSpan[] = []
  try {
    return await until(`trace ${traceId} is complete`, patienceMs, async () => {
      spans = await spansOf(jaeger, traceId)
      return wanted(spans) && spans
    })
  } catch (error) {
    throw new Error(`the trace has: ${spans.map(({ service, name }) => `${service} ${name}`).join(', ')}`, {
      cause: error,
    })
  }
}

// biome-ignore lint/suspicious/noExplicitAny: OTLP's JSON, as Jaeger gives it
function spansOfResource({ resource, scopeSpans }: any): SeenSpan[] {
  const service = String(attributesOf(resource.attributes)['service.name'])
  // biome-ignore lint/suspicious/noExplicitAny: the same
  return scopeSpans.flatMap(({ spans }: any) => spans.map((span: any) => seen(service, span)))
}

// biome-ignore lint/suspicious/noExplicitAny: the same
function seen(service: string, span: any): SeenSpan {
  return {
    service,
    name: span.name,
    id: span.spanId,
    parent: span.parentSpanId ?? '',
    kind: kinds[span.kind ?? 0]!,
    // biome-ignore lint/suspicious/noExplicitAny: the same
    links: (span.links ?? []).map((link: any) => link.spanId),
    startUs: Number(span.startTimeUnixNano) / 1000,
    endUs: Number(span.endTimeUnixNano) / 1000,
    attributes: attributesOf(span.attributes ?? []),
    failed: span.status?.code === 2,
  }
}

// biome-ignore lint/suspicious/noExplicitAny: the same
function attributesOf(list: any[]): Record<string, string | number | boolean> {
  return Object.fromEntries(
    list.map(({ key, value }) => [
      key,
      value.intValue === undefined ? Object.values(value)[0] : Number(value.intValue),
    ]),
  )
}
