/**
 * Prints the events of a subject as lines of JSON, and goes on where it stopped when it is started again.
 *
 *   node subscriber.js [SUBJECT [GATEWAY ...]]
 *
 * Positions are kept in positions.json in the current folder. Ctrl-C ends it.
 */
import { connect } from 'carillon-client'
import { fileStore } from 'carillon-client/node'

const [subject = 'alarm.>', ...gateways] = process.argv.slice(2)

const client = connect(gateways.length > 0 ? gateways : 'http://127.0.0.1:8080', {
  store: fileStore('positions.json'),
  onState: ({ name, reason }) => console.error(reason === undefined ? name : `${name}: ${reason.message}`),
})

// `close` stores the position behind the last event that was handled, and ends the loop below.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => client.close())

// A stored position counts more than `after`, which is for the first start.
for await (const item of client.subscribe(subject, { after: 'earliest' })) {
  if (item.kind === 'gap') {
    // Events may be missing here: this is where a program fetches the state that they were about.
    console.error(`missed events of partition ${item.partition}: ${item.reason}`)
    continue
  }
  // Once the loop asks for the next item, this one counts as handled, and is not given again.
  console.log(JSON.stringify({ subject: item.subject, text: item.text() }))
}

// Resolves once the position is stored.
await client.close()
