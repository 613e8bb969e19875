import { carillonConversations } from '../../src/bench/carillon/conversations.ts'
import { runClients } from '../../src/bench/load/client-process.ts'
import { peerConversations } from './conversations.ts'

/** The process that holds clients, whoever their server is. */
runClients({ ...carillonConversations, ...peerConversations })
