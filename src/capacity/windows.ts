import { defaultsOf } from '../base/setting.ts'
import { edgeDefaults } from '../edge/options.ts'
import { leastMemory, type WindowMemory, windowSettings } from '../log/options.ts'
import { readBackDefaults } from '../session/options.ts'

/**
 * Memory of a gateway besides its process and its clients: two pools that all windows share, and
 * chunks read back.
 */
export interface GatewayWindows extends WindowMemory {
  readonly cacheMiB: number
}

/** Returns the sizes in a configuration. */
export function configuredWindows(config: {
  readonly window: WindowMemory
  readonly readBack: { readonly cacheMiB: number }
}): GatewayWindows {
  const { windowMiB, indexMiB } = config.window
  return { windowMiB, indexMiB, cacheMiB: config.readBack.cacheMiB }
}

const usual = configuredWindows({ window: defaultsOf(windowSettings), readBack: readBackDefaults })

/**
 * Returns the default sizes, or those that `partitions` with events of this size need if these
 * are larger.
 */
export function plannedWindows(partitions: number, eventBytes: number): GatewayWindows {
  const least = leastMemory(partitions, Math.max(edgeDefaults.maxEventBytes, eventBytes))
  return {
    windowMiB: Math.max(usual.windowMiB, least.windowMiB),
    indexMiB: Math.max(usual.indexMiB, least.indexMiB),
    cacheMiB: usual.cacheMiB,
  }
}

/** Returns the options that must be configured, because they exceed the defaults. */
export function windowOptions(windows: GatewayWindows): string[] {
  const raised = (['windowMiB', 'indexMiB'] as const).filter((name) => windows[name] > usual[name])
  return raised.map((name) => `window.${name}: ${windows[name]}`)
}

export const windowBytes = ({ windowMiB, indexMiB, cacheMiB }: GatewayWindows): number =>
  (windowMiB + indexMiB + cacheMiB) * 2 ** 20

export const windowSum = ({ windowMiB, indexMiB, cacheMiB }: GatewayWindows): string =>
  `${windowMiB} MiB payloads + ${indexMiB} MiB index + ${cacheMiB} MiB read back`
