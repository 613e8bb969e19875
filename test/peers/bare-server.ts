import { loopClock } from '../../src/base/clock.ts'
import { makeListener } from '../../src/edge/listener.ts'
import { openSource } from '../../src/source/open.ts'
import type { TailSink } from '../../src/source/source.ts'

/**
 * The yardstick: uWebSockets.js behind our own reader of the broker, and nothing else. No resume, no window, no order across a full
 * socket, no auth, no limits, no metrics: what any gateway on these two parts costs at least. Arguments: the port, the broker's URL and the
 * topic.
 */
const [port, url, topic] = process.argv.slice(2) as [string, string, string]
/** The envelope's first field is the subject: a key and a length of one byte each. */
const subjectAt = 2
/** As large as no run fills: a client beyond it is closed, and is seen to be. */
const maxBackpressure = 64 << 20

const listener = await makeListener({ host: '127.0.0.1', port: Number(port), maxHeaderBytes: 16_384 })
const { app } = listener
app.ws<{ subject: string }>('/*', {
  compression: 0,
  maxBackpressure,
  closeOnBackpressureLimit: true,
  upgrade(response, request, context) {
    const data = { subject: decodeURIComponent(request.getQuery()) }
    const [key, protocol] = [request.getHeader('sec-websocket-key'), request.getHeader('sec-websocket-protocol')]
    response.upgrade(data, key, protocol, request.getHeader('sec-websocket-extensions'), context)
  },
  open(socket) {
    socket.subscribe(socket.getUserData().subject)
    socket.send('live')
  },
})

const source = await openSource(url, { clock: loopClock(), log: () => {} })
const stream = await source.describe(topic)
if (stream === undefined) throw new Error(`expected the topic ${topic}, got a broker without it`)
const heads: number[] = []
for (let partition = 0; partition < stream.partitions; partition++) {
  heads.push((await source.offsets(stream, partition)).head)
}

const sink: TailSink = {
  record({ buffer, valueStart, valueEnd }) {
    const start = valueStart + subjectAt
    const subject = buffer.toString('latin1', start, start + buffer[start - 1]!)
    // uWS copies what it can't write at once.
    app.publish(subject, buffer.subarray(valueStart, valueEnd), true)
  },
  end() {},
  lost() {
    // The clients' numbers show it.
  },
  recreated() {},
  grown() {},
  state() {},
}
source.tail(stream, heads, sink)
listener.listen(Number(port))
