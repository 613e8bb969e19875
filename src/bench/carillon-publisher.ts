import { openBrokerWay } from './broker-way.ts'
import { openGatewayWay } from './gateway-way.ts'
import { runPublisher } from './publisher-process.ts'

/** The process that publishes to a gateway or to its broker. */
runPublisher({ broker: openBrokerWay, gateway: openGatewayWay })
