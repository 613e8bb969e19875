/** How spans leave this process, as OpenTelemetry's variables say. */
export type OtlpProtocol = (typeof otlpProtocols)[number]
export const otlpProtocols = ['http/protobuf', 'http/json', 'grpc'] as const

export interface TraceExport {
  readonly protocol: OtlpProtocol
  /** Where to, for people: without credentials. */
  readonly endpoint: string
}

type Variables = Readonly<Record<string, string | undefined>>

/**
 * What the OTEL_* variables ask for; undefined = no traces, and nothing of them is loaded: without an endpoint and without
 * OTEL_TRACES_EXPORTER=otlp, with OTEL_TRACES_EXPORTER=none, or with OTEL_SDK_DISABLED=true. `refuse` is told of a value that is not
 * understood, which leaves traces off: a variable must not stop a gateway.
 */
export function traceExport(variables: Variables, refuse: (message: string) => void): TraceExport | undefined {
  const value = (name: string) => variables[name]?.trim() ?? ''
  /** OTEL_EXPORTER_OTLP_TRACES_… goes before OTEL_EXPORTER_OTLP_… */
  const ofTraces = (name: string) => value(`OTEL_EXPORTER_OTLP_TRACES_${name}`) || value(`OTEL_EXPORTER_OTLP_${name}`)
  if (value('OTEL_SDK_DISABLED').toLowerCase() === 'true') return undefined
  const exporter = value('OTEL_TRACES_EXPORTER')
  const endpoint = ofTraces('ENDPOINT')
  if (exporter === 'none' || (exporter === '' && endpoint === '')) return undefined
  if (exporter !== '' && exporter !== 'otlp') {
    refuse(`expected OTEL_TRACES_EXPORTER to be otlp or none, got "${exporter}": there will be no traces`)
    return undefined
  }
  const protocol = ofTraces('PROTOCOL') || 'http/protobuf'
  const known = otlpProtocols.find((each) => each === protocol)
  if (known === undefined) {
    const said = `expected OTEL_EXPORTER_OTLP_PROTOCOL to be ${otlpProtocols.join(', ')}, got "${protocol}"`
    refuse(`${said}: there will be no traces`)
    return undefined
  }
  const usual = known === 'grpc' ? 'http://localhost:4317' : 'http://localhost:4318'
  return { protocol: known, endpoint: withoutCredentials(endpoint || usual) }
}

function withoutCredentials(endpoint: string): string {
  return endpoint.replace(/^([a-z]+:\/\/)?[^/]*@/i, '$1')
}
