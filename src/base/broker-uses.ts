/** Uses of connections to a broker. Each has its own client name there, which quotas apply to. */
export const brokerUses = ['live', 'readback', 'publish', 'questions'] as const
export type BrokerUse = (typeof brokerUses)[number]
