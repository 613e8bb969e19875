/** Maximum number of rows on the page. The oldest ones are removed. */
const maxRows = 200
/** Maximum length of a payload in a row, characters. */
const maxPayloadLength = 2000

/**
 * The list of events, gaps and notes, newest first. Rows are added once a frame, whatever their
 * number.
 */
export class Timeline {
  #list
  #empty
  #pending = []
  #scheduled = false

  constructor(list, empty) {
    this.#list = list
    this.#empty = empty
  }

  /** `missed`: `latencyMs` is the event's age, not its latency. */
  event(transport, delivery, { latencyMs, missed }) {
    const { event, partition, offset, stream } = delivery
    const position = stream === undefined ? `${partition}@${offset}` : `${stream} ${partition}@${offset}`
    const payload = payloadOf(event)
    this.#add('event', transport, [
      cell('subject', event.subject),
      cell('payload', payload.slice(0, maxPayloadLength)),
      cell('position', position, 'partition and offset in the log'),
      latencyMs === undefined ? cell('latency', '–') : missed ? age(latencyMs) : latency(latencyMs),
    ])
  }

  gap(transport, gap) {
    const to = gap.to === undefined ? '' : ` to ${gap.partition}@${gap.to}`
    const n = gap.n === undefined ? '' : `, ${gap.n} events`
    const lost = gap.certain ? 'events were lost' : 'events may be missing'
    const text = `Gap (${gap.reason}): ${gap.stream} ${gap.partition}@${gap.from}${to}${n}; ${lost}`
    this.#add('gap', transport, [cell('text', text)])
  }

  note(transport, text) {
    this.#add('note', transport, [cell('text', text)])
  }

  clear() {
    this.#pending.length = 0
    this.#list.replaceChildren()
    this.#empty.hidden = false
  }

  #add(kind, { name, title }, cells) {
    const row = document.createElement('li')
    row.className = `${kind} ${name}`
    row.append(cell('at', clockTime()), cell('by', title), ...cells)
    this.#pending.push(row)
    if (this.#pending.length > maxRows) this.#pending.shift()
    if (this.#scheduled) return
    this.#scheduled = true
    // The browser draws no frames for a page in the background, but runs its timers.
    if (document.hidden) setTimeout(() => this.#flush(), 1000)
    else requestAnimationFrame(() => this.#flush())
  }

  #flush() {
    this.#scheduled = false
    if (this.#pending.length === 0) return
    this.#empty.hidden = true
    this.#list.prepend(...this.#pending.reverse())
    this.#pending = []
    while (this.#list.childElementCount > maxRows) this.#list.lastElementChild.remove()
  }
}

/** `1.8 ms`, `2.4 s`, `3 min` or `5 h`: a missed event may be old. */
export function duration(ms) {
  const size = Math.abs(ms)
  if (size < 1000) return `${ms.toFixed(size < 100 ? 1 : 0)} ms`
  if (size < 60_000) return `${(ms / 1000).toFixed(1)} s`
  if (size < 3_600_000) return `${Math.round(ms / 60_000)} min`
  return `${Math.round(ms / 3_600_000)} h`
}

const latency = (ms) => cell('latency', duration(ms), 'from its publication to this page')

const age = (ms) =>
  cell(
    'latency missed',
    `${duration(Math.max(0, ms))} ago`,
    'time since its publication: the event was missed, or the subscription started in the past',
  )

function payloadOf({ data, text, base64, deleted }) {
  if (deleted) return '(deleted)'
  if (data !== undefined) return JSON.stringify(data)
  if (text !== undefined) return text
  return base64 === undefined ? '(empty)' : `base64 ${base64}`
}

function cell(className, text, title = '') {
  const span = document.createElement('span')
  span.className = className
  span.textContent = text
  if (title !== '') span.title = title
  return span
}

function clockTime() {
  const now = new Date()
  const two = (number) => String(number).padStart(2, '0')
  const millis = String(now.getMilliseconds()).padStart(3, '0')
  return `${two(now.getHours())}:${two(now.getMinutes())}:${two(now.getSeconds())}.${millis}`
}
