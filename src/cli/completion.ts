import { Command, type Option } from 'commander'
import { choiceArgument, oneOf } from './choice.ts'

/** A command with its name, its summary, and its options and arguments. */
export interface Described {
  readonly name: string
  readonly summary: string
  readonly command: Command
}

const shells = { bash, zsh, fish } as const

/** `load` returns all commands. Only this command loads all of them. */
export function command(load: () => Promise<readonly Described[]>): Command {
  const names = Object.keys(shells) as (keyof typeof shells)[]
  const completion = new Command('carillon completion')
    .description('Print a script that makes a shell complete commands, options and their values.')
    .addArgument(choiceArgument('<shell>', 'the shell', names))
  completion.addHelpText(
    'after',
    `
Examples:
  source <(carillon completion bash)                                        in ~/.bashrc
  source <(carillon completion zsh)                                         in ~/.zshrc, after compinit
  carillon completion fish > ~/.config/fish/completions/carillon.fish`,
  )
  return completion.action(async (shell: string) => {
    process.stdout.write(shells[oneOf(shell, names)](await load()))
  })
}

/** Value of an option: none, one of some choices, a file, or any text. */
type Value = 'none' | 'file' | 'any' | readonly string[]

function takes({ argChoices, flags }: Option): Value {
  if (argChoices !== undefined) return argChoices
  if (!/[<[]/.test(flags)) return 'none'
  return /<file>/.test(flags) ? 'file' : 'any'
}

const flagsOf = ({ command }: Described): Option[] => [...command.options]
const long = (option: Option): string => option.long!.slice(2)
/** Returns the choices for the first argument. */
const argumentsOf = ({ command }: Described): readonly string[] => command.registeredArguments[0]?.argChoices ?? []
const single = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`

function bash(all: readonly Described[]): string {
  const names = all.map(({ name }) => name).join(' ')
  const values = all.flatMap((each) =>
    flagsOf(each).flatMap((option) => {
      const value = takes(option)
      if (value === 'none') return []
      const then =
        value === 'file' ? 'COMPREPLY=($(compgen -f -- "$cur"))' : value === 'any' ? ':' : among(value.join(' '))
      return [`    '${each.name} --${long(option)}') ${then}; return ;;`]
    }),
  )
  const words = all.map((each) => {
    const flags = [...flagsOf(each), { long: '--help' }].map((option) => option.long)
    return `    ${each.name}) ${among([...argumentsOf(each), ...flags].join(' '))} ;;`
  })
  return `# source <(carillon completion bash)
_carillon() {
  local cur=\${COMP_WORDS[COMP_CWORD]}
  if ((COMP_CWORD == 1)); then
    ${among(`${names} help`)}
    return
  fi
  case "\${COMP_WORDS[1]} \${COMP_WORDS[COMP_CWORD - 1]}" in
${values.join('\n')}
  esac
  case \${COMP_WORDS[1]} in
${words.join('\n')}
    help) ${among(names)} ;;
  esac
}
complete -F _carillon carillon
`
}

const among = (words: string): string => `COMPREPLY=($(compgen -W '${words}' -- "$cur"))`

function zsh(all: readonly Described[]): string {
  const commands = all.map(({ name, summary }) => `    ${single(`${name}:${summary}`)}`)
  const cases = all.map((each) => {
    const specs = flagsOf(each).map((option) => `      ${single(zshSpec(option))}`)
    const words = argumentsOf(each)
    const first = words.length === 0 ? '*: :_default' : `1: :(${words.join(' ')})`
    return `    ${each.name}) _arguments \\\n${[...specs, `      ${single(first)}`].join(' \\\n')} ;;`
  })
  return `#compdef carillon
# source <(carillon completion zsh)
_carillon() {
  local -a commands=(
${commands.join('\n')}
  )
  if ((CURRENT == 2)) || [[ $words[2] == help ]]; then
    _describe command commands
    return
  fi
  shift words
  ((CURRENT--))
  case $words[1] in
${cases.join('\n')}
  esac
}
if [[ $funcstack[1] == _carillon ]]; then _carillon "$@"; else compdef _carillon carillon; fi
`
}

function zshSpec(option: Option): string {
  const value = takes(option)
  const described = `--${long(option)}[${option.description.replaceAll(/[[\]\\]/g, '\\$&')}]`
  if (value === 'none') return described
  return `${described}: :${value === 'file' ? '_files' : value === 'any' ? ' ' : `(${value.join(' ')})`}`
}

function fish(all: readonly Described[]): string {
  const commands = all.map(({ name, summary }) => {
    return `complete -c carillon -n __fish_use_subcommand -a ${name} -d ${fishText(summary)}`
  })
  const lines = all.flatMap((each) => {
    const begin = `complete -c carillon -n '__fish_seen_subcommand_from ${each.name}'`
    const words = argumentsOf(each)
    const flags = flagsOf(each).map(
      (option) => `${begin} -l ${long(option)}${fishValue(option)} -d ${fishText(option.description)}`,
    )
    return words.length === 0 ? flags : [`${begin} -a '${words.join(' ')}'`, ...flags]
  })
  return `# carillon completion fish > ~/.config/fish/completions/carillon.fish
complete -c carillon -f
${[...commands, ...lines].join('\n')}
`
}

function fishValue(option: Option): string {
  const value = takes(option)
  if (value === 'none') return ''
  if (value === 'file') return ' -r -F'
  return value === 'any' ? ' -x' : ` -x -a '${value.join(' ')}'`
}

const fishText = (text: string): string => `'${text.replaceAll(/[\\']/g, '\\$&')}'`
