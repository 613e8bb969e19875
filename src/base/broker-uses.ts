/** What the connections to a broker are for: each has a name of its own there, by which quotas count. */
export const brokerUses = ['live', 'readback', 'publish', 'questions'] as const
export type BrokerUse = (typeof brokerUses)[number]
