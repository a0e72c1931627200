// The story of webhooks.sh, run in its temporary directory. BINARY and LISTEN come from there.
import { spawn, execFileSync } from 'node:child_process'
import crypto from 'node:crypto'
import fs from 'node:fs'
import http from 'node:http'
import { Webhook } from 'standardwebhooks'

const { BINARY, LISTEN } = process.env
const url = `http://${LISTEN}`
let passed = 0, failed = 0
const check = (name, holds, seen) => {
  if (holds) { passed += 1; console.log(`ok      ${name}`) } else { failed += 1; console.log(`FAILED  ${name}`); if (seen !== undefined) console.log(`        ${JSON.stringify(seen).slice(0, 2000)}`) }
}
const pause = ms => new Promise(go => setTimeout(go, ms))
const until = async (seconds, ask) => {
  const end = Date.now() + seconds * 1000
  for (;;) {
    const answer = await ask()
    if (answer || Date.now() > end) return answer
    await pause(50)
  }
}
const throws = run => { try { run(); return false } catch { return true } }

// The receiver: answers late, so that a kill finds it in the middle.
const heard = []
let status = 204, delay = 0
const receiver = http.createServer((request, response) => {
  const pieces = []
  request.on('data', piece => pieces.push(piece))
  request.on('end', () => {
    heard.push({ headers: request.headers, body: Buffer.concat(pieces).toString() })
    setTimeout(() => { response.writeHead(status); response.end() }, delay)
  })
})
await new Promise(go => receiver.listen(0, '127.0.0.1', go))

const secret = () => `whsec_${crypto.randomBytes(32).toString('base64')}`
const [fresh, old, foreign] = [secret(), secret(), secret()]
fs.writeFileSync('perennial.toml', `
[outward]
allow = ["127.0.0.1"]
plain_http = ["127.0.0.1"]
[webhooks.erp]
url = "http://127.0.0.1:${receiver.address().port}/hooks"
secrets_env = "ERP_SECRETS"
`)
const env = { ...process.env, ERP_SECRETS: `${fresh} ${old}` }
const perennial = (...args) => JSON.parse(execFileSync(BINARY, ['--config', 'perennial.toml', '--data-dir', 'data', '--json', ...args], { env, stdio: ['ignore', 'pipe', 'inherit'] }))
const query = sql => JSON.parse(execFileSync(BINARY, ['--config', 'perennial.toml', '--data-dir', 'data', 'query', sql, '--format', 'json'], { env, stdio: ['ignore', 'pipe', 'inherit'] }))
let server
const start = async () => {
  server = spawn(BINARY, ['--config', 'perennial.toml', '--data-dir', 'data', 'serve', '--listen', LISTEN], { env, stdio: ['ignore', 'ignore', fs.openSync('server.log', 'a')] })
  fs.writeFileSync('server.pid', String(server.pid))
  const up = await until(30, () => fetch(`${url}/healthz`).then(answer => answer.ok, () => false))
  if (!up) { console.log(fs.readFileSync('server.log', 'utf8')); throw new Error('the server did not start') }
}
const stop = async signal => {
  const gone = new Promise(go => server.once('exit', go))
  server.kill(signal)
  await gone
  fs.unlinkSync('server.pid')
}
await start()
const { key } = perennial('keys', 'create', '--kind', 'server', '--source', 'shop')
const asks = async users => {
  const batch = users.map(userId => ({ type: 'track', userId, event: 'Promo Asked', properties: { shelf: 'Öolong <&>' } }))
  const answer = await fetch(`${url}/v1/batch`, { method: 'POST', headers: { authorization: 'Basic ' + Buffer.from(`${key}:`).toString('base64') }, body: JSON.stringify({ batch }) })
  if (answer.status !== 200) throw new Error(`${answer.status} ${await answer.text()}`)
}
fs.writeFileSync('promo.yaml', `
campaign: promo
enter: { on: { did: Promo Asked } }
steps: [ { id: tell, webhook: { url_of: erp, event: promo.granted } } ]
`)
perennial('apply', 'promo.yaml')

console.log('— what a receiver checks')
await asks(['ana'])
await until(10, () => heard.length === 1)
const { headers, body } = heard[0] ?? {}
const opens = (by, text = body, on = headers) => !throws(() => new Webhook(by).verify(text, on))
check('it is told', heard.length === 1)
check('the new secret verifies', opens(fresh))
check('and so does the old one while they change', opens(old))
check('a foreign secret does not', !opens(foreign))
check('nor does another body', !opens(fresh, body.replace('ana', 'ben')))
check('nor another id', !opens(fresh, body, { ...headers, 'webhook-id': 'wh_other' }))
check('nor another time', !opens(fresh, body, { ...headers, 'webhook-timestamp': String(Number(headers['webhook-timestamp']) + 1) }))
check('the body says what happened', JSON.parse(body).type === 'promo.granted' && JSON.parse(body).data.event.shelf === 'Öolong <&>', body)

console.log('— killed while it tells')
delay = 150
const many = Array.from({ length: 40 }, (_, number) => `u${number}`)
await asks(many)
for (let round = 0; round < 3; round += 1) {
  await pause(400)
  await stop('SIGKILL')
  await start()
}
const told = () => query("SELECT state, count(*) AS n FROM webhooks GROUP BY state")
await until(60, () => { const rows = told(); return rows.length === 1 && rows[0].state === 'done' })
check('everybody was told in the end', JSON.stringify(told()) === JSON.stringify([{ state: 'done', n: 41 }]), told())
const bodies = new Map()
for (const one of heard) bodies.set(one.headers['webhook-id'], (bodies.get(one.headers['webhook-id']) ?? new Set()).add(one.body))
check('each under one id', bodies.size === 41, bodies.size)
check('with the same bytes however often', [...bodies.values()].every(seen => seen.size === 1))
check('every signature verifies', heard.every(one => opens(fresh, one.body, one.headers)))
check('no more than those under way were told twice', heard.length <= 41 + 3 * 4, heard.length)

console.log('— an endpoint that wants to hear nothing')
delay = 0
status = 410
await asks(['cleo'])
await until(10, () => query("SELECT state FROM webhooks WHERE customer = 'cleo'")[0]?.state === 'gave_up')
const before = heard.length
await asks(['dora'])
await pause(500)
check('it hears nothing more', heard.length === before, heard.length - before)
check('what is meant for it waits', query("SELECT state FROM webhooks WHERE customer = 'dora'")[0]?.state === 'waiting')
await stop('SIGTERM')
receiver.close()

console.log(`${passed} passed, ${failed} failed`)
process.exit(failed ? 1 : 0)
