import { readFileSync } from 'node:fs'
import { parse } from 'yaml'

const folder = new URL('../../deploy/', import.meta.url)

/** A file of deploy/, `compose.yaml`. */
export function deployed(name: string): string {
  return readFileSync(new URL(name, folder), 'utf8')
}

/** Lines that are neither empty nor comments. */
export function statements(text: string): string[] {
  return text.split('\n').filter((line) => line.trim() !== '' && !line.trimStart().startsWith('#'))
}

export interface Service {
  readonly image: string
  readonly build?: { readonly context: string; readonly dockerfile: string }
  readonly command?: readonly string[]
  readonly environment?: Readonly<Record<string, string | number>>
  readonly ports?: readonly string[]
  readonly volumes?: readonly string[]
  readonly profiles?: readonly string[]
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>
  readonly healthcheck?: { readonly test?: readonly string[]; readonly disable?: boolean }
  readonly read_only?: boolean
  readonly restart?: string
  readonly stop_grace_period?: string
  readonly ulimits?: { readonly nofile: number }
  readonly sysctls?: Readonly<Record<string, number>>
}

export interface Compose {
  readonly services: Readonly<Record<string, Service>>
  readonly volumes: Readonly<Record<string, null>>
}

export function compose(): Compose {
  return parse(deployed('compose.yaml'), { merge: true }) as Compose
}

/** The services that are gateways, by name. */
export function gateways(): readonly (readonly [string, Service])[] {
  return Object.entries(compose().services).filter(([, service]) => {
    return service.image === 'carillon' && service.command === undefined
  })
}
