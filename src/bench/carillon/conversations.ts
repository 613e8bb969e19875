import type { Converse } from '../load/conversation.ts'
import { SseConversation } from '../load/sse.ts'
import { WebSocketConversation } from '../load/websocket.ts'
import { PollConversation, sseDialect } from './http.ts'
import { jsonDialect, protoDialect } from './websocket.ts'

/** How clients of a gateway talk: transport and codec. */
export const carillonConversations = {
  'ws-protobuf': (listener) => new WebSocketConversation(listener, protoDialect),
  'ws-json': (listener) => new WebSocketConversation(listener, jsonDialect),
  'sse-json': (listener) => new SseConversation(listener, sseDialect),
  'poll-json': (listener) => new PollConversation(listener),
} as const satisfies Record<string, Converse>
export type CarillonConversation = keyof typeof carillonConversations
