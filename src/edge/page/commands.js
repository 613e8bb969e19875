/** The command line's default gateway, which needs no `--gateway`. */
const defaultGateway = 'http://127.0.0.1:8080'
const copiedMs = 1500
/** Length from which on a word may be broken, characters. */
const longWord = 24

/** The commands for the same in a terminal, each with a button that copies it. */
export class Commands {
  #lines = new Map()

  constructor(container, announce) {
    for (const title of ['Subscribe', 'Publish', 'Subscribe with curl', 'Publish with curl']) {
      const code = document.createElement('pre')
      this.#lines.set(title, code)
      container.append(block(title, code, announce))
    }
  }

  show({ origin, subject, after, publishSubject, payload, json }) {
    const gateway = [defaultGateway, 'http://localhost:8080'].includes(origin) ? '' : ` --gateway ${quote(origin)}`
    const from = after === 'latest' ? '' : ` --after ${quote(after)}`
    this.#set('Subscribe', `bin/carillon subscribe ${quote(subject)}${from}${gateway}`)
    // Without a content type, the command publishes a payload that parses as JSON as JSON.
    const type = json ? '' : ' --content-type text/plain'
    this.#set('Publish', `bin/carillon publish ${quote(publishSubject)} ${quote(payload)}${type}${gateway}`)
    const query = new URLSearchParams(after === 'latest' ? { subject } : { subject, after })
    this.#set('Subscribe with curl', `curl -N ${quote(`${origin}/v1/sse?${query}`)}`)
    const body = `{"subject":${JSON.stringify(publishSubject)},${json ? `"data":${payload}` : `"text":${JSON.stringify(payload)}`}}`
    const headers = "-H 'content-type: application/json'"
    this.#set('Publish with curl', `curl ${quote(`${origin}/v1/publish`)} ${headers} -d ${quote(body)}`)
  }

  #set(title, text) {
    // Only long words break at their hyphens. The text to be copied stays unchanged.
    const words = text.split(/(?<= )/).map((word) => {
      const span = document.createElement('span')
      span.className = word.length < longWord ? 'word' : ''
      span.textContent = word
      return span
    })
    this.#lines.get(title).replaceChildren(...words)
  }
}

/** Quotes `text` for a POSIX shell, unless it is a plain word. */
export function quote(text) {
  return /^[\w.:/@%+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}

function block(title, code, announce) {
  const container = document.createElement('div')
  container.className = 'command'
  const head = document.createElement('div')
  head.className = 'command-head'
  const heading = document.createElement('h3')
  heading.textContent = title
  const button = document.createElement('button')
  button.type = 'button'
  button.textContent = 'Copy'
  button.ariaLabel = `Copy: ${title}`
  button.onclick = () => void copy(code, button, announce)
  head.append(heading, button)
  container.append(head, code)
  return container
}

async function copy(code, button, announce) {
  try {
    await navigator.clipboard.writeText(code.textContent)
    button.textContent = 'Copied'
    announce('Copied')
  } catch {
    // Without permission for the clipboard, the text is selected, so that the usual keys copy it.
    getSelection().selectAllChildren(code)
    button.textContent = 'Selected'
    announce('Selected: press the keys that copy')
  }
  setTimeout(() => {
    button.textContent = 'Copy'
  }, copiedMs)
}
