/** Jaeger for tests and trials, on loopback, its traces in memory: `$(bin/find-node) scripts/jaeger.ts --help`. */
import { Jaeger, jaegerPorts, stopDetachedJaeger } from '../test/brokers/jaeger.ts'
import { installJaeger, jaegerHome, jaegerInstalled, missingGo } from '../test/brokers/jaeger-install.ts'
import { runServerScript } from '../test/command/command.ts'

await runServerScript('jaeger', 'Jaeger', {
  install: 'build it with Go into .cache (once, about four minutes)',
  lacks: () => (jaegerInstalled() ? undefined : missingGo()),
  fetch: installJaeger,
  start: async () => {
    const jaeger = new Jaeger({ ports: jaegerPorts, dir: jaegerHome.data, detached: true })
    await jaeger.start()
    return `${jaeger.url}. Send it spans with: export OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318`
  },
  stop: () => stopDetachedJaeger(jaegerHome.data),
})
