/** Where a command lives: its file is loaded when it is used, so that none waits for another's packages. */
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
  subscribe: 'show the events of subjects as they come',
  routes: 'where subjects are',
  streams: 'create the streams of the configuration on the broker',
  config: 'check and show the configuration',
  token: 'show the positions in a token',
  health: 'ask a gateway whether it is ready',
  status: 'what a gateway does, and who was refused by which limit',
  rejected: 'the records that a gateway could not use, and why',
  doctor: 'check this host and the broker, and say what to fix',
  plan: 'how many hosts a load takes, and what they need',
  errors: 'the errors, and what to do',
  bench: 'put a load on gateways and measure them',
  completion: 'what makes a shell complete these commands',
}

export const names = Object.keys(commands) as CommandName[]
