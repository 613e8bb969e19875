import { runPublisher } from '../load/publisher-process.ts'
import { openBrokerWay } from './broker-way.ts'
import { openGatewayWay } from './gateway-way.ts'

/** Entry point of a process that publishes to a gateway or to its broker. */
runPublisher({ broker: openBrokerWay, gateway: openGatewayWay })
