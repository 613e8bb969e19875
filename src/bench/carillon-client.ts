import { PollConversation, sseDialect } from './carillon-http.ts'
import { jsonDialect, protoDialect } from './carillon-websocket.ts'
import type { Converse } from './conversation.ts'
import { SseConversation } from './sse.ts'
import { WebSocketConversation } from './websocket.ts'

/** How clients of a gateway talk: transport and codec. */
export const carillonConversations = {
  'ws-protobuf': (listener) => new WebSocketConversation(listener, protoDialect),
  'ws-json': (listener) => new WebSocketConversation(listener, jsonDialect),
  'sse-json': (listener) => new SseConversation(listener, sseDialect),
  'poll-json': (listener) => new PollConversation(listener),
} as const satisfies Record<string, Converse>
