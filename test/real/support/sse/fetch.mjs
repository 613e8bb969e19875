// As clients.py, by Node's fetch.
const answer = await fetch(process.argv[2])
if (answer.status !== 200) throw new Error(`status ${answer.status}`)
console.log('open')
let rest = ''
for await (const piece of answer.body.pipeThrough(new TextDecoderStream())) {
  const lines = (rest + piece).split('\n')
  rest = lines.pop()
  for (const line of lines) {
    const number = /^data: .*"n":(\d+)/.exec(line)?.[1]
    if (number !== undefined) console.log(number)
  }
}
