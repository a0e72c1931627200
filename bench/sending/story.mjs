// The story of run.sh, run in its temporary directory beside the captured SMTP server.
// BINARY, LISTEN, RECIPIENTS, PORT (SMTP), HTTP_PORT (what was captured) and COUNT_PORT (how many) come from there.
import { spawn, execFileSync } from 'node:child_process'
import fs from 'node:fs'

const { BINARY, LISTEN, PORT, HTTP_PORT, COUNT_PORT } = process.env
const RECIPIENTS = Number(process.env.RECIPIENTS)
// Of ours, to the server: a crash leaves as many mails uncertain at most.
const CONNECTIONS = Number(process.env.CONNECTIONS ?? 100)
const KILL_MS = 2000
const url = `http://${LISTEN}`
let failed = 0
const check = (name, holds, seen) => {
  console.log(`${holds ? 'ok     ' : 'FAILED '} ${name}`)
  if (!holds) { failed += 1; if (seen !== undefined) console.log(`        ${JSON.stringify(seen).slice(0, 2000)}`) }
}
const pause = ms => new Promise(go => setTimeout(go, ms))
const until = async (seconds, every_ms, ask) => {
  const end = Date.now() + seconds * 1000
  for (;;) {
    const answer = await ask()
    if (answer || Date.now() > end) return answer
    await pause(every_ms)
  }
}
fs.writeFileSync('perennial.toml', `[server]\nlisten = "${LISTEN}"\n[email]\nsend = "smtp"\nhost = "127.0.0.1"\nport = ${PORT}\ntls = "none"\nconnections = ${CONNECTIONS}\n`)
const perennial = (...args) => JSON.parse(execFileSync(BINARY, ['--config', 'perennial.toml', '--data-dir', 'data', '--json', ...args], { stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 1 << 29 }))
let server
const start = async () => {
  server = spawn(BINARY, ['--config', 'perennial.toml', '--data-dir', 'data', 'serve'], { stdio: ['ignore', 'ignore', fs.openSync('server.log', 'a')] })
  fs.writeFileSync('server.pid', String(server.pid))
  const up = await until(60, 20, () => fetch(`${url}/healthz`).then(answer => answer.ok, () => false))
  if (!up) { console.log(fs.readFileSync('server.log', 'utf8')); throw new Error('the server did not start') }
}
const stop = async signal => {
  const gone = new Promise(go => server.once('exit', go))
  server.kill(signal)
  await gone
  fs.unlinkSync('server.pid')
}
const count = () => fetch(`http://127.0.0.1:${COUNT_PORT}/`).then(async answer => Number(await answer.text()))
const inbox = () => fetch(`http://127.0.0.1:${HTTP_PORT}/`).then(answer => answer.json())
const empty = () => fetch(`http://127.0.0.1:${HTTP_PORT}/`, { method: 'DELETE' }).then(answer => answer.text())
const define = (name, text) => { fs.writeFileSync(name, text); return perennial('apply', name) }
const send = async batch => {
  const post = () => fetch(`${url}/v1/batch`, { method: 'POST', headers: { authorization: 'Basic ' + Buffer.from(`${key}:`).toString('base64') }, body: JSON.stringify({ batch }) })
  // While a loop runs nothing else does here: the server may have closed a connection that was kept. The same traits twice are one.
  const answer = await post().catch(post)
  if (answer.status !== 200) throw new Error(`${answer.status} ${await answer.text()}`)
}
const campaign = name => `\nsegment: ${name}\nwhere: { trait: group, is: ${name} }\n---\ncampaign: ${name}\nenter: { on: { enters: ${name} } }\nsteps: [ { id: hello, message: hello } ]\n`
const bring = async (name, people) => {
  for (let first = 0; first < people; first += 1000) {
    await send(Array.from({ length: Math.min(1000, people - first) }, (_, n) => ({ type: 'identify', userId: `${name}-${first + n}`, traits: { email: `${name}${first + n}@example.com`, first_name: `N${first + n}`, group: name } })))
  }
}

await start()
const { key } = perennial('keys', 'create', '--kind', 'server', '--source', 'shop')
define('base.yaml', `
workspace: settings
zone: Europe/London
sender: { name: The Tea House, address: hello@tea.example, postal_address: "1 Leaf Lane, London" }
---
purpose: marketing
default: granted
channels: [email]
---
template: hello
channel: email
subject: "{{ customer.first_name }}, your tea is back"
body: |
  Dear {{ customer.first_name }},

  the tea that you liked is back, and it is as good as it was. [See it](https://tea.example/back?a=1&b=2)
`)
// The first mail is the one that the loop sends.
await bring('first', 1)
define('first.yaml', campaign('first'))
await until(20, 50, async () => await count() >= 1)
const mail = 'inbox/0.eml'

const loop = (connections, mails) => Number(execFileSync('node', ['loop.mjs', PORT, String(mails), String(connections), mail]).toString())
// From so many on that had arrived before: asked for beforehand, since mails may be on their way before a definition returns.
const arrived = async (before, people) => {
  let first
  const done = await until(600, 10, async () => {
    const now = await count() - before
    if (now > 0) first ??= { at: Date.now(), now }
    return now >= people ? { at: Date.now(), now } : false
  })
  return done ? (done.now - first.now) / ((done.at - first.at) / 1000) : 0
}
// Loops before and after: machines are shared, and the faster of the two counts.
const loops = new Map()
const measure_loops = () => { for (const connections of [1, 4, 10, 20, 40]) loops.set(connections, Math.max(loops.get(connections) ?? 0, loop(connections, RECIPIENTS / 2))) }
loop(4, 1000)
measure_loops()
// Ours twice as well.
const ours = []
for (const name of ['quick', 'again']) {
  await bring(name, RECIPIENTS)
  const watching = arrived(await count(), RECIPIENTS)
  const began = Date.now()
  define(`${name}.yaml`, campaign(name))
  const rate = await watching
  ours.push({ rate, whole: RECIPIENTS / ((Date.now() - began) / 1000) })
  await until(60, 500, () => perennial('decisions', '--campaign', name).filter(one => one.outcome === 'sent').length === RECIPIENTS)
}
measure_loops()
const { rate, whole } = ours.reduce((a, b) => a.rate > b.rate ? a : b)
const bare = Math.max(...loops.values())
console.log(`the loop, by connections: ${[...loops].map(([connections, rate]) => `${connections}: ${rate.toFixed(0)}/s`).join(', ')}`)
console.log(`ours: ${ours.map(it => `${it.rate.toFixed(0)}/s`).join(', ')} from the first mail to the last, ${whole.toFixed(0)}/s from the definition of the campaign on`)
console.log(`ratio: ${(rate / bare).toFixed(2)} of the fastest loop, ${(rate / loops.get(1)).toFixed(2)} of the loop over one connection`)

// The same number again, or so many that it takes five seconds, the process killed every two seconds.
const MANY = Math.max(RECIPIENTS, Math.ceil(rate / 200) * 1000)
await empty()
await bring('killed', MANY)
define('killed.yaml', campaign('killed'))
const latest = () => new Map(perennial('decisions', '--campaign', 'killed').map(one => [one.customer, one.outcome]))
let kills = 0
const end = Date.now() + 900_000
for (;;) {
  await pause(KILL_MS)
  if (await count() >= MANY * 0.99 || Date.now() > end) break
  await stop('SIGKILL')
  kills += 1
  await start()
}
let became = new Map()
await until(120, 1000, () => { became = latest(); return became.size === MANY && [...became.values()].every(one => one === 'sent' || one === 'uncertain') })
await pause(500)
const got = new Map()
for (const { to } of await inbox()) for (const address of to) got.set(address, (got.get(address) ?? 0) + 1)
const copies = id => got.get(`killed${id.split('-')[1]}@example.com`) ?? 0
const of = outcome => [...became].filter(([, one]) => one === outcome).map(([id]) => id)
const sent = of('sent'), uncertain = of('uncertain')
console.log(`killed ${kills} times, of ${MANY}: ${sent.length} sent, ${uncertain.length} uncertain, ${[...got.values()].reduce((all, one) => all + one, 0)} mails arrived`)
check('it was killed', kills > 0, kills)
check('nobody is skipped: everybody is sent or listed as uncertain', sent.length + uncertain.length === MANY, [...became].filter(([, one]) => one !== 'sent' && one !== 'uncertain').slice(0, 20))
check('who is sent got exactly one', sent.every(id => copies(id) === 1), sent.filter(id => copies(id) !== 1).slice(0, 20))
check('who is uncertain got at most one', uncertain.every(id => copies(id) <= 1), uncertain.filter(id => copies(id) > 1))
check('nobody got two', [...got.values()].every(one => one === 1), [...got].filter(([, one]) => one > 1).slice(0, 20))
check('no more are uncertain than were on their way', uncertain.length <= CONNECTIONS * kills, uncertain.length)
await stop('SIGTERM')
process.exit(failed ? 1 : 0)
