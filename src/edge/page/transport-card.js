import { duration } from './timeline.js'

/** One transport's state, counters and buttons. */
export class TransportCard {
  element
  #state
  #disconnect
  #resume
  #counts = { received: 0, duplicates: 0, gaps: 0 }

  constructor(template, { name, title }, endpoint) {
    this.element = template.content.firstElementChild.cloneNode(true)
    this.element.classList.add(name)
    this.element.ariaLabel = title
    this.#find('h2').textContent = title
    this.#find('.endpoint').textContent = endpoint
    this.#state = this.#find('.state')
    this.#disconnect = this.#find('[data-action=disconnect]')
    this.#resume = this.#find('[data-action=resume]')
    this.#disconnect.ariaLabel = `Disconnect ${title}`
    this.#resume.ariaLabel = `Resume ${title}`
  }

  /** The buttons act on this connection. */
  control(connection) {
    this.#disconnect.onclick = () => connection.stop()
    this.#resume.onclick = () => connection.resume()
  }

  state(state, detail, connection) {
    this.#state.className = `state ${state}`
    this.#state.textContent = detail || state
    const running = connection?.running ?? false
    this.#disconnect.disabled = !running
    this.#resume.disabled = running
  }

  /** Shows the token from which the transport would resume. */
  position(token) {
    const shown = this.#find('.token')
    shown.textContent = token
    shown.title = token
  }

  reset() {
    for (const name of Object.keys(this.#counts)) this.#count(name, 0)
    this.#show('latency', '–')
    this.position('–')
  }

  received(latencyMs) {
    this.#count('received', this.#counts.received + 1)
    if (latencyMs !== undefined) this.#show('latency', duration(latencyMs))
  }

  duplicate() {
    this.#count('duplicates', this.#counts.duplicates + 1)
  }

  gap() {
    this.#count('gaps', this.#counts.gaps + 1)
  }

  #count(name, value) {
    this.#counts[name] = value
    this.#show(name, String(value))
  }

  #show(name, text) {
    this.#find(`[data-count=${name}]`).textContent = text
  }

  #find(selector) {
    return this.element.querySelector(selector)
  }
}
