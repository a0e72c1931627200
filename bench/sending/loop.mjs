// A plain loop: the same mail, to one recipient after the other, over some connections that stay open.
// node loop.mjs PORT COUNT CONNECTIONS FILE: prints mails per second.
import net from 'node:net'
import fs from 'node:fs'

const [port, count, connections] = process.argv.slice(2, 5).map(Number)
const mail = fs.readFileSync(process.argv[5], 'latin1').replace(/\r?\n/g, '\r\n').replace(/^\./gm, '..').replace(/(\r\n)?$/, '\r\n.\r\n')
let next = 0
const open = () => new Promise((done, fail) => {
  const socket = net.connect(port, '127.0.0.1').setNoDelay(true)
  let text = '', waiting
  socket.on('error', fail)
  socket.on('data', data => {
    text += data
    // The last line of an answer has a space after its code.
    const end = /^\d{3} .*\r\n/m.exec(text)
    if (end && waiting) { const go = waiting, answer = text; text = ''; waiting = undefined; go(answer) }
  })
  const hear = () => new Promise(go => { waiting = go; if (/^\d{3} .*\r\n/m.test(text)) { const answer = text; text = ''; waiting = undefined; go(answer) } })
  const say = async (line, code) => { const heard = hear(); socket.write(line); const answer = await heard; if (!answer.startsWith(code)) throw new Error(answer) }
  hear().then(async () => {
    await say('EHLO loop\r\n', '250')
    while (next < count) {
      const n = next
      next += 1
      await say('MAIL FROM:<hello@tea.example>\r\n', '250')
      await say(`RCPT TO:<loop${n}@example.com>\r\n`, '250')
      await say('DATA\r\n', '354')
      await say(mail, '250')
    }
    socket.end('QUIT\r\n')
    done()
  }).catch(fail)
})
const began = process.hrtime.bigint()
await Promise.all(Array.from({ length: connections }, open))
console.log(count / (Number(process.hrtime.bigint() - began) / 1e9))
