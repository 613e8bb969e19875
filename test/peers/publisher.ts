import { openBrokerWay } from '../../src/bench/carillon/broker-way.ts'
import { openGatewayWay } from '../../src/bench/carillon/gateway-way.ts'
import { runPublisher } from '../../src/bench/load/publisher-process.ts'
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
