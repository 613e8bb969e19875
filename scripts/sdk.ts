/** Builds what `carillon/client` is for its users, JavaScript and declarations, into dist/: Node strips no types inside node_modules. */
import { execFileSync } from 'node:child_process'
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const dist = join(root, 'dist')

rmSync(dist, { recursive: true, force: true })
execFileSync(process.execPath, [join(root, 'node_modules/.bin/tsc'), '-p', join(root, 'tsconfig.sdk.json')], {
  stdio: 'inherit',
})
// Generated as JavaScript: the compiler only reads its declarations.
cpSync(join(root, 'src/wire/generated'), join(dist, 'wire/generated'), { recursive: true })

// The compiler rewrites the extensions of imports in code only; not every consumer resolves `.ts` to a declaration.
for (const name of readdirSync(dist, { recursive: true, encoding: 'utf8' })) {
  if (!name.endsWith('.d.ts')) continue
  const text = readFileSync(join(dist, name), 'utf8')
  writeFileSync(join(dist, name), text.replaceAll(/(['"]\.{1,2}\/[^'"]+)\.ts(?=['"])/g, '$1.js'))
}
