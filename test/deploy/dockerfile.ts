/** One instruction of a Dockerfile: `COPY --from=a b c` is keyword COPY, flags {from: a}, text `b c`. */
export interface Instruction {
  readonly keyword: string
  readonly flags: Readonly<Record<string, string>>
  /** Continued lines are joined by a space. */
  readonly text: string
}

export interface Stage {
  readonly image: string
  readonly name: string | undefined
  /** Without FROM. */
  readonly instructions: readonly Instruction[]
}

/** As much of the Dockerfile format as deploy/Dockerfile uses: no heredocs, no ONBUILD, no parser directives. */
export function parseDockerfile(text: string): Stage[] {
  const lines = text.split('\n').filter((line) => !line.trimStart().startsWith('#'))
  const joined = lines.join('\n').replaceAll(/\s*\\\n\s*/g, ' ')
  const stages: { image: string; name: string | undefined; instructions: Instruction[] }[] = []
  for (const line of joined.split('\n').filter((each) => each.trim() !== '')) {
    const instruction = parseInstruction(line)
    if (instruction.keyword === 'FROM') {
      const [image, , name] = instruction.text.split(/\s+/)
      stages.push({ image: image!, name, instructions: [] })
    } else stages.at(-1)!.instructions.push(instruction)
  }
  return stages
}

function parseInstruction(line: string): Instruction {
  const [, keyword, rest] = /^([A-Z]+)\s+(.*)$/.exec(line)!
  const flags: Record<string, string> = {}
  const text = rest!.replaceAll(/(?<=^|^(?:--\S+\s+)*)--([a-z-]+)=(\S+)\s+/g, (_, name: string, value: string) => {
    flags[name] = value
    return ''
  })
  return { keyword: keyword!, flags, text }
}

/** The text of the stage's only instruction of this kind. */
export function only(stage: Stage, keyword: string): Instruction {
  const found = stage.instructions.filter((each) => each.keyword === keyword)
  if (found.length !== 1) throw new Error(`expected one ${keyword}, got ${found.length}`)
  return found[0]!
}

/** `NAME=value OTHER="a b"` as ENV and LABEL have it. */
export function assignments(text: string): Record<string, string> {
  const pairs = [...text.matchAll(/([\w.-]+)=(?:"([^"]*)"|(\S+))/g)]
  return Object.fromEntries(pairs.map(([, name, quoted, plain]) => [name!, quoted ?? plain!]))
}

/** `["a", "b"]`, the form without a shell. */
export function exec(text: string): string[] {
  return JSON.parse(text) as string[]
}
