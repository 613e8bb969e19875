import { openBrokerWay } from '../../src/bench/broker-way.ts'
import { openGatewayWay } from '../../src/bench/gateway-way.ts'
import { runPublisher } from '../../src/bench/publisher-process.ts'
import { openBatchWay } from './batch.ts'
import { openCentrifugoWay, openMercureWay, openNchanWay } from './http-ways.ts'
import { openNatsWay } from './nats-way.ts'

/** The process that publishes, whatever the way. */
runPublisher({
  broker: openBrokerWay,
  gateway: openGatewayWay,
  batch: openBatchWay,
  nats: openNatsWay,
  nchan: openNchanWay,
  centrifugo: openCentrifugoWay,
  mercure: openMercureWay,
})
