import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

/** Bundles the SDK, or a module that imports it, as one minified ES module. */
export async function bundle(entry: string, format: 'esm' | 'iife' = 'esm', globalName?: string) {
  const { outputFiles, metafile } = await build({
    entryPoints: [fileURLToPath(new URL(`../../src/client/${entry}`, import.meta.url))],
    bundle: true,
    minify: true,
    format,
    ...(globalName === undefined ? {} : { globalName }),
    platform: 'browser',
    target: 'es2022',
    write: false,
    metafile: true,
  })
  return { code: outputFiles[0]!.contents, inputs: Object.keys(metafile.inputs) }
}
