import assert from 'node:assert/strict'
import test from 'node:test'
import { traceExport } from '../../src/telemetry/trace-options.ts'

const endpoint = 'http://collector:4318'
const ask = (variables: Record<string, string>) => {
  const refused: string[] = []
  return { to: traceExport(variables, (message) => refused.push(message)), refused }
}

test('traces are on with an endpoint or with the otlp exporter, and off otherwise', () => {
  assert.equal(ask({}).to, undefined)
  assert.equal(ask({ OTEL_SERVICE_NAME: 'gateway' }).to, undefined)
  assert.deepEqual(ask({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint }).to, { protocol: 'http/protobuf', endpoint })
  assert.deepEqual(ask({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: endpoint }).to, { protocol: 'http/protobuf', endpoint })
  const usual = { protocol: 'http/protobuf', endpoint: 'http://localhost:4318' }
  assert.deepEqual(ask({ OTEL_TRACES_EXPORTER: 'otlp' }).to, usual)
})

test('OTEL_TRACES_EXPORTER=none and OTEL_SDK_DISABLED=true turn them off', () => {
  const none = ask({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_TRACES_EXPORTER: 'none' })
  assert.deepEqual(none, { to: undefined, refused: [] })
  assert.equal(ask({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_SDK_DISABLED: 'TRUE' }).to, undefined)
  assert.notEqual(ask({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_SDK_DISABLED: 'false' }).to, undefined)
})

test('the variable for traces overrides the protocol for all signals', () => {
  const both = { OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json', OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'grpc' }
  assert.deepEqual(ask({ OTEL_TRACES_EXPORTER: 'otlp', ...both }).to, {
    protocol: 'grpc',
    endpoint: 'http://localhost:4317',
  })
})

test('an invalid value leaves traces off, with a message of what was expected', () => {
  const exporter = ask({ OTEL_TRACES_EXPORTER: 'zipkin' })
  assert.equal(exporter.to, undefined)
  assert.match(exporter.refused[0]!, /expected OTEL_TRACES_EXPORTER to be otlp or none, got "zipkin"/)
  const protocol = ask({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_EXPORTER_OTLP_PROTOCOL: 'thrift' })
  assert.equal(protocol.to, undefined)
  assert.match(protocol.refused[0]!, /expected OTEL_EXPORTER_OTLP_PROTOCOL to be http\/protobuf, http\/json, grpc/)
})

test('the endpoint is shown without credentials', () => {
  const { to } = ask({ OTEL_EXPORTER_OTLP_ENDPOINT: 'https://me:secret@collector:4318/x' })
  assert.equal(to!.endpoint, 'https://collector:4318/x')
})
