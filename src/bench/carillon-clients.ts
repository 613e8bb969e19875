import { carillonConversations } from './carillon-client.ts'
import { runClients } from './client-process.ts'

/** The process that holds a gateway's clients. */
runClients(carillonConversations)
