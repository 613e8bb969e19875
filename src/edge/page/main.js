import { Commands } from './commands.js'
import { EventSourceConnection } from './event-source.js'
import { LongPollConnection } from './long-poll.js'
import { nowUs, publish } from './publish.js'
import { duration, Timeline } from './timeline.js'
import { TransportCard } from './transport-card.js'
import { WebSocketConnection } from './websocket.js'

const byId = (id) => document.getElementById(id)
const announce = (text) => {
  byId('announcer').textContent = text
}

const timeline = new Timeline(byId('timeline'), byId('empty'))
const commands = new Commands(byId('commands'), announce)

const transports = [
  { name: 'websocket', Connection: WebSocketConnection },
  { name: 'sse', Connection: EventSourceConnection },
  { name: 'poll', Connection: LongPollConnection },
].map(({ name, Connection }) => openTransport(name, Connection))

function openTransport(name, Connection) {
  const transport = { name, title: Connection.title }
  const card = new TransportCard(byId('transport-card'), transport, Connection.endpoint)
  const connection = new Connection({
    state(state, detail) {
      card.state(state, detail, connection)
      if (state === 'live' || state === 'refused') announce(`${Connection.title}: ${detail || state}`)
    },
    position: (token) => card.position(token),
    delivery(delivery, missed) {
      const { publishedAtUs } = delivery.event
      const latencyMs = publishedAtUs === undefined ? undefined : (nowUs() - publishedAtUs) / 1000
      card.received(missed ? undefined : latencyMs)
      timeline.event(transport, delivery, { latencyMs, missed })
    },
    duplicate: () => card.duplicate(),
    gap(gap) {
      card.gap()
      timeline.gap(transport, gap)
      announce(`${Connection.title}: gap, ${gap.reason}`)
    },
    note: (text) => timeline.note(transport, text),
  })
  card.control(connection)
  byId('transports').append(card.element)
  return { card, connection }
}

/** The value of `after` for the form's choice. */
function chosenAfter() {
  const choice = byId('after').value
  if (choice === 'token') return byId('after-token').value.trim() || 'latest'
  if (choice !== 'time') return choice
  const time = new Date(byId('after-time').value)
  return Number.isNaN(time.getTime()) ? 'latest' : `@${time.toISOString()}`
}

function subscribe() {
  const subject = byId('subject').value.trim()
  const after = chosenAfter()
  for (const { card, connection } of transports) {
    card.reset()
    connection.start(subject, after)
  }
}

function draft() {
  const json = document.querySelector('input[name="format"]:checked').value === 'json'
  return { subject: byId('publish-subject').value.trim(), payload: byId('payload').value, json }
}

async function publishDraft(count) {
  const outcome = byId('published')
  const started = performance.now()
  try {
    const results = await publish(draft(), count)
    const { stream, partition, offset } = results.at(-1)
    const what = count === 1 ? 'stored' : `${count} stored, the last`
    outcome.textContent = `${what} at ${stream} ${partition}@${offset} in ${duration(performance.now() - started)}`
    outcome.classList.remove('failed')
  } catch (error) {
    outcome.textContent = error.message
    outcome.classList.add('failed')
  }
}

function showCommands() {
  const { subject: publishSubject, payload, json } = draft()
  const subject = byId('subject').value.trim()
  commands.show({ origin: location.origin, subject, after: chosenAfter(), publishSubject, payload, json })
}

function showFields() {
  const choice = byId('after').value
  byId('after-time-field').hidden = choice !== 'time'
  byId('after-token-field').hidden = choice !== 'token'
}

byId('subscribe').onsubmit = (event) => {
  event.preventDefault()
  subscribe()
}
byId('publish').onsubmit = (event) => {
  event.preventDefault()
  void publishDraft(1)
}
byId('publish-ten').onclick = () => {
  if (byId('publish').reportValidity()) void publishDraft(10)
}
byId('payload').onkeydown = (event) => {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) byId('publish').requestSubmit()
}
byId('clear').onclick = () => timeline.clear()
document.addEventListener('input', () => {
  showFields()
  showCommands()
})

byId('gateway').textContent = location.host
showFields()
showCommands()
subscribe()
