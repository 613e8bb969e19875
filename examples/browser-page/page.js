/**
 * Shows the events of a subject, and goes on where it was over reloads of the page. The address says which gateway and which subject:
 * index.html?gateway=http://127.0.0.1:8080&subject=alarm.>
 */
import { connect, webStore } from 'carillon-client'

const address = new URLSearchParams(location.search)
const gateway = address.get('gateway') ?? 'http://127.0.0.1:8080'
const subject = address.get('subject') ?? 'alarm.>'

const client = connect(gateway, {
  // A position for each tab: after a reload, a tab is given what it has not shown yet.
  store: webStore(sessionStorage),
  onState: ({ name }) => {
    document.getElementById('state').textContent = name
  },
})

client.subscribe(subject, {
  // For the first time; later the stored position counts.
  after: 'latest',
  onEvent: (event) => show(`${event.subject} ${event.text()}`),
  // Events may be missing here: an application fetches the state that they were about.
  onGap: (gap) => show(`missed events: ${gap.reason}`),
  onClosed: (reason) => show(`closed: ${reason.message}`),
})

/** As text, whatever it holds: who publishes must not be able to put markup into the page. */
function show(text) {
  const line = document.createElement('li')
  line.textContent = text
  document.getElementById('events').append(line)
}
