/** Protocols for exporting spans, by OpenTelemetry's names. */
export type OtlpProtocol = (typeof otlpProtocols)[number]
export const otlpProtocols = ['http/protobuf', 'http/json', 'grpc'] as const

export interface TraceExport {
  readonly protocol: OtlpProtocol
  /** The target, for people, without credentials. */
  readonly endpoint: string
}

type Variables = Readonly<Record<string, string | undefined>>

/**
 * Returns the exporter that the OTEL_* variables select. Returns undefined for no traces, and
 * then no SDK is loaded: with neither an endpoint nor OTEL_TRACES_EXPORTER=otlp, with
 * OTEL_TRACES_EXPORTER=none, or with OTEL_SDK_DISABLED=true. An invalid value is passed to
 * `refuse` and leaves traces off, because a variable must not stop a gateway.
 */
export function traceExport(variables: Variables, refuse: (message: string) => void): TraceExport | undefined {
  const value = (name: string) => variables[name]?.trim() ?? ''
  /** OTEL_EXPORTER_OTLP_TRACES_… takes precedence over OTEL_EXPORTER_OTLP_… */
  const ofTraces = (name: string) => value(`OTEL_EXPORTER_OTLP_TRACES_${name}`) || value(`OTEL_EXPORTER_OTLP_${name}`)
  if (value('OTEL_SDK_DISABLED').toLowerCase() === 'true') return undefined
  const exporter = value('OTEL_TRACES_EXPORTER')
  const endpoint = ofTraces('ENDPOINT')
  if (exporter === 'none' || (exporter === '' && endpoint === '')) return undefined
  if (exporter !== '' && exporter !== 'otlp') {
    refuse(`expected OTEL_TRACES_EXPORTER to be otlp or none, got "${exporter}": traces are off`)
    return undefined
  }
  const protocol = ofTraces('PROTOCOL') || 'http/protobuf'
  const known = otlpProtocols.find((each) => each === protocol)
  if (known === undefined) {
    const problem = `expected OTEL_EXPORTER_OTLP_PROTOCOL to be ${otlpProtocols.join(', ')}, got "${protocol}"`
    refuse(`${problem}: traces are off`)
    return undefined
  }
  const standard = known === 'grpc' ? 'http://localhost:4317' : 'http://localhost:4318'
  return { protocol: known, endpoint: withoutCredentials(endpoint || standard) }
}

function withoutCredentials(endpoint: string): string {
  return endpoint.replace(/^([a-z]+:\/\/)?[^/]*@/i, '$1')
}
