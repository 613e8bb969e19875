/** Modules by command, loaded on use, so that no command waits for another one's packages. */
export const commands = {
  serve: () => import('./serve.ts'),
  publish: () => import('./publish.ts'),
  subscribe: () => import('./subscribe.ts'),
  routes: () => import('./routes.ts'),
  streams: () => import('./streams.ts'),
  config: () => import('./config.ts'),
  token: () => import('./token.ts'),
  health: () => import('./health.ts'),
  status: () => import('./status.ts'),
  rejected: () => import('./rejected.ts'),
  doctor: () => import('./doctor.ts'),
  plan: () => import('./plan.ts'),
  errors: () => import('./errors.ts'),
  bench: () => import('./bench.ts'),
  completion: () => import('./completion.ts'),
} as const

export type CommandName = keyof typeof commands

export const summaries: Readonly<Record<CommandName, string>> = {
  serve: 'run a gateway',
  publish: 'publish events',
  subscribe: 'print the events of subjects as they arrive',
  routes: 'show which stream and partitions contain a subject',
  streams: 'list the configured streams, or create them on the broker',
  config: 'check and show the configuration',
  token: 'show the positions in a token',
  health: 'check whether a gateway is ready',
  status: 'show the sessions, streams and refusals of a gateway',
  rejected: 'list the records that a gateway could not use, with the cause',
  doctor: 'check this host and the broker, and say what to fix',
  plan: 'compute how many hosts a load needs',
  errors: 'list the error codes and their meanings',
  bench: 'run a load test',
  completion: 'print a completion script for a shell',
}

export const names = Object.keys(commands) as CommandName[]
