import { setting, text } from '../base/setting.ts'
import { parseBrokerUrl } from './open.ts'

export const brokerSettings = {
  broker: setting(
    text('url', { check: parseBrokerUrl }),
    'embedded:.carillon/dev',
    'kafka://HOST:PORT[,HOST:PORT], nats://HOST:PORT (or tls://), or embedded:DIRECTORY',
  ),
}
