import { adminSettings } from '../admin/options.ts'
import { section, type Values } from '../base/setting.ts'
import { edgeLimits, listenerSettings } from '../edge/options.ts'
import { fillSettings } from '../fanout/options.ts'
import { windowSettings } from '../log/options.ts'
import { routeSettings } from '../routing/options.ts'
import { servingSettings } from '../serving/options.ts'
import { readBackSection, sessionSettings } from '../session/options.ts'
import { embeddedSection } from '../source/embedded/options.ts'
import { natsSection } from '../source/jetstream/options.ts'
import { kafkaSection } from '../source/kafka/options.ts'
import { brokerSettings } from '../source/options.ts'
import { loggerSettings, traceSection } from '../telemetry/options.ts'

/**
 * All options of a gateway, declared by the rooms that use them, in the order of help and docs.
 * Names contain units.
 */
export const settings = {
  broker: brokerSettings.broker,
  listen: listenerSettings.listen,
  admin: adminSettings.admin,
  tlsCert: listenerSettings.tlsCert,
  tlsKey: listenerSettings.tlsKey,
  dev: listenerSettings.dev,
  createTopics: servingSettings.createTopics,
  allowOrigin: listenerSettings.allowOrigin,
  logLevel: loggerSettings.logLevel,
  logFormat: loggerSettings.logFormat,
  heartbeatMs: listenerSettings.heartbeatMs,
  drainMs: listenerSettings.drainMs,
  streams: servingSettings.streams,
  routes: routeSettings.routes,
  window: section('the newest events in memory', { ...windowSettings, ...fillSettings }),
  limits: section('bounds; reaching one is answered with an error of docs/errors.md', {
    maxSessions: servingSettings.maxSessions,
    ...sessionSettings,
    ...edgeLimits,
  }),
  readBack: readBackSection,
  kafka: kafkaSection,
  nats: natsSection,
  embedded: embeddedSection,
  traces: traceSection,
}

/** The effective options, validated. */
export type Config = Values<typeof settings>
