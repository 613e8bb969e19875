/// <reference lib="esnext.disposable" preserve="true" />
/** The public names of the package `carillon-client`. */
export type { Policy, Published } from '../wire/frames.ts'
export type { BackoffOptions } from './backoff.ts'
export { type Client, type ClientOptions, connect } from './client.ts'
export type { Codec } from './codec.ts'
export type { InboxOptions } from './inbox.ts'
export type { OutgoingEvent, PublishOptions } from './publish.ts'
export type { Received, ReceivedEvent, ReceivedGap } from './received.ts'
export { RefusedError } from './refusal.ts'
export type { Reason, State } from './state.ts'
export { memoryStore, type PositionStore, webStore } from './store.ts'
export type { SubscribeHandlers, SubscribeOptions, Subscription } from './subscription.ts'
export type { TransportName } from './transports.ts'
