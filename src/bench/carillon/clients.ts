import { runClients } from '../load/client-process.ts'
import { carillonConversations } from './conversations.ts'

/** Entry point of a process that holds a gateway's clients. */
runClients(carillonConversations)
