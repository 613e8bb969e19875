import type { Attributes } from '@opentelemetry/api'

/**
 * Attributes by OpenTelemetry's semantic conventions for messaging (1.45, "Development"). Some
 * names changed in 2026; where most backends still use the former name, both are set.
 */
export interface Destination {
  /** `kafka`, `nats`, or `carillon` for the embedded log. */
  readonly system: string
  /** The stream's name on the broker. */
  readonly topic: string
  /** The gateway's id. */
  readonly clientId: string
}

/** `type` is the convention's operation type, `name` the first word of the span's name. */
export function messagingAttributes(to: Destination, type: 'send' | 'process', name: string): Attributes {
  return {
    'messaging.system': to.system,
    'messaging.system.name': to.system,
    'messaging.operation.name': name,
    'messaging.operation.type': type,
    'messaging.destination.name': to.topic,
    'messaging.client.id': to.clientId,
  }
}

export function placeAttributes(system: string, partition: number, offset: number): Attributes {
  const place: Attributes = { 'messaging.destination.partition.id': String(partition), 'carillon.offset': offset }
  if (system === 'kafka') {
    place['messaging.kafka.offset'] = offset
    place['kafka.offset'] = offset
  }
  return place
}

/** Returns the value of `messaging.system` for a broker. */
export function messagingSystem(broker: string): string {
  return broker === 'embedded' ? 'carillon' : broker
}
