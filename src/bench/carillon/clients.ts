import { runClients } from '../load/client-process.ts'
import { carillonConversations } from './conversations.ts'

/** The process that holds a gateway's clients. */
runClients(carillonConversations)
