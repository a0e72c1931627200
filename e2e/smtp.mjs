// The story of smtp.sh, run in its temporary directory beside the captured SMTP server.
// BINARY, LISTEN, PORT (SMTP) and HTTP_PORT (what was captured) come from there.
import { spawn, execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'

const { BINARY, LISTEN, PORT, HTTP_PORT } = process.env
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
    await pause(200)
  }
}

fs.writeFileSync('perennial.toml', `[server]\nlisten = "${LISTEN}"\n[email]\nsend = "smtp"\nhost = "127.0.0.1"\nport = ${PORT}\ntls = "none"\ncount_opens = true\n`)
const perennial = (...args) => JSON.parse(execFileSync(BINARY, ['--config', 'perennial.toml', '--data-dir', 'data', '--json', ...args], { stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 1 << 28 }))
let server
const start = async () => {
  server = spawn(BINARY, ['--config', 'perennial.toml', '--data-dir', 'data', 'serve'], { stdio: ['ignore', 'ignore', fs.openSync('server.log', 'a')] })
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
const inbox = () => fetch(`http://127.0.0.1:${HTTP_PORT}/`).then(answer => answer.json())
const define = (name, text) => { fs.writeFileSync(name, text); return perennial('apply', name) }
const send = async batch => {
  const answer = await fetch(`${url}/v1/batch`, { method: 'POST', headers: { authorization: 'Basic ' + Buffer.from(`${key}:`).toString('base64') }, body: JSON.stringify({ batch }) })
  const text = await answer.text()
  if (answer.status !== 200) throw new Error(`${answer.status} ${text}`)
  return JSON.parse(text)
}
const decisions = campaign => perennial('decisions', '--campaign', campaign)
// The latest outcome of each customer, as `sent` or `held: put_off`.
const outcomes = campaign => new Map(decisions(campaign).map(one => [one.customer, one.because ? `${one.outcome}: ${one.because}` : one.outcome]))
const header = (mail, name) => (mail.headers ?? []).find(line => line.toLowerCase().startsWith(`${name.toLowerCase()}:`))?.replace(/\r?\n/g, '').slice(name.length + 1).trim()

await start()
const { key } = perennial('keys', 'create', '--kind', 'server', '--source', 'shop')

console.log('— what a mail looks like')
const welcome = campaign => `
campaign: ${campaign}
enter: { on: { enters: ${campaign} } }
steps: [ { id: hello, message: hello } ]
`
define('base.yaml', `
workspace: settings
zone: Europe/London
currency: GBP
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

  the tea is back. [See it](https://tea.example/back?a=1&b=2)
---
segment: letters
where: { trait: group, is: letters }
---${welcome('letters')}`)
const crlf = 'Eve\r\nBcc: evil@example.com\r\n\r\nTake this'
const people = {
  plain: { email: 'plain@example.com', first_name: 'Ada', last_name: 'Lovelace' },
  quotes: { email: 'quotes@example.com', first_name: 'Ada "The Countess", <Lady> O\'Neil', last_name: 'Jr.' },
  emoji: { email: 'emoji@example.com', first_name: 'Zoë 🫖 茶', last_name: 'Ünal' },
  breaker: { email: 'breaker@example.com', first_name: crlf, last_name: 'B\rC\nD\u2028' },
  markup: { email: 'markup@example.com', first_name: '<script>alert(1)</script>{{ customer.secret }}', secret: 'sesame' },
  injector: { email: 'a@b.example>\r\nRCPT TO:<evil@example.com', first_name: 'In' },
  list: { email: 'one@example.com, evil@example.com', first_name: 'List' },
  bounce: { email: 'bounce550@example.com', first_name: 'Bo' },
  grey: { email: 'greylist@example.com', first_name: 'Gray' },
  full: { email: 'full452@example.com', first_name: 'Phil' },
  slow: { email: 'slow@example.com', first_name: 'Slo' },
  nameless: { email: 'nameless@example.com' }
}
await send(Object.entries(people).map(([id, traits]) => ({ type: 'identify', userId: id, traits: { ...traits, group: 'letters' } })))
const greylistedAt = Date.now()
const expected = ['plain', 'quotes', 'emoji', 'breaker', 'markup', 'slow']
const mailOf = (mails, id) => mails.filter(mail => mail.to.includes(people[id].email))
await until(20, async () => { const mails = await inbox(); return expected.every(id => mailOf(mails, id).length > 0) })
await pause(500)
let mails = await inbox()
for (const id of expected) check(`${id} got one mail`, mailOf(mails, id).length === 1, mailOf(mails, id).length)
const plain = mailOf(mails, 'plain')[0] ?? {}
check('it is from the sender', header(plain, 'From') === 'The Tea House <hello@tea.example>' || header(plain, 'From') === '"The Tea House" <hello@tea.example>', header(plain, 'From'))
check('it is to the customer by name', /Ada Lovelace/.test(header(plain, 'To') ?? '') && (header(plain, 'To') ?? '').includes('<plain@example.com>'), header(plain, 'To'))
check('its subject is written', plain.subject === 'Ada, your tea is back', plain.subject)
check('it has a Message-ID of the sender\'s domain', /^<[^<>@\s]+@tea\.example>$/.test(header(plain, 'Message-ID') ?? ''), header(plain, 'Message-ID'))
check('it has a Date', !Number.isNaN(Date.parse(header(plain, 'Date'))), header(plain, 'Date'))
check('List-Unsubscribe is a link', new RegExp(`^<${url}/u/[^>]+>`).test(header(plain, 'List-Unsubscribe') ?? ''), header(plain, 'List-Unsubscribe'))
check('List-Unsubscribe-Post is one click', header(plain, 'List-Unsubscribe-Post') === 'List-Unsubscribe=One-Click', header(plain, 'List-Unsubscribe-Post'))
check('it has a text part', /Dear Ada/.test(plain.text ?? ''), plain.text)
check('it has an HTML part', /Dear Ada/.test(plain.html || '') && /<a /.test(plain.html || ''), plain.html)
check('it says where the sender is and how to unsubscribe', /1 Leaf Lane/.test(plain.text ?? '') && (plain.text ?? '').includes(`${url}/u/`), plain.text)
const all = mails.map(mail => (mail.headers ?? []).map(line => line.split(':')[0].toLowerCase()).sort().join())
check('every mail has the same header fields: no name added one', new Set(all).size === 1, [...new Set(all)])
check('no mail has a Bcc, and none went to anybody else', !mails.some(mail => header(mail, 'Bcc') !== undefined || mail.to.some(to => to.includes('evil'))), mails.map(mail => mail.to))
check('a name with quotes stays one name', (mailOf(mails, 'quotes')[0]?.to ?? []).join() === 'quotes@example.com' && /Countess/.test(mailOf(mails, 'quotes')[0]?.subject ?? ''), mailOf(mails, 'quotes')[0]?.subject)
check('an emoji survives', mailOf(mails, 'emoji')[0]?.subject === 'Zoë 🫖 茶, your tea is back', mailOf(mails, 'emoji')[0]?.subject)
check('line breaks in a name break nothing', /^Eve\s+Bcc: evil@example.com/.test(mailOf(mails, 'breaker')[0]?.subject ?? ''), mailOf(mails, 'breaker')[0]?.subject)
check('markup in a name is text, and no template', !/<script/.test(mailOf(mails, 'markup')[0]?.html || '') && !JSON.stringify(mailOf(mails, 'markup')[0] ?? '').includes('sesame'), mailOf(mails, 'markup')[0]?.html)
check('ids are all different', new Set(mails.map(mail => header(mail, 'Message-ID'))).size === mails.length)

console.log('— opens and clicks, by people and by machines')
const browser = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0'
const times = event => perennial('customers', 'timeline', 'plain').happenings.filter(one => one.event === event).reduce((sum, one) => sum + one.times, 0)
const as = (agent, method = 'GET') => ({ method, headers: { 'user-agent': agent } })
const picture = (plain.html || '').match(/<img src="([^"]+\/o\/[^"]+\.gif)"/)?.[1] ?? ''
const link = (plain.html || '').match(/href="([^"]+\/c\/[^"]+)"/)?.[1] ?? ''
check('the mail has one picture that tells of an open, and it is ours', picture.startsWith(`${url}/o/`) && (plain.html.match(/<img/g) ?? []).length === 1, picture)
check('the text part has none', !/\/o\//.test(plain.text ?? ''), plain.text)
// A person takes a few seconds to read; what comes sooner is a machine's.
await pause(5000)
await fetch(picture, as(browser, 'HEAD'))
const gif = await fetch(picture, as('Mozilla/5.0'))
check('the picture is a picture that nobody keeps', gif.status === 200 && gif.headers.get('content-type') === 'image/gif' && gif.headers.get('cache-control') === 'no-store', [...gif.headers])
check('Apple\'s mail program is no person who opened', times('Email Opened') === 0 && times('Machine Opened Email') === 1)
await fetch(picture, as(browser))
check('a browser is', times('Email Opened') === 1 && times('Machine Opened Email') === 1)
await fetch(link, as(browser))
await fetch(link, as('Barracuda Sentinel (EE)', 'POST'))
check('a scanner that follows the link is no person who clicked', times('Email Link Clicked') === 0 && times('Machine Clicked Email Link') === 1)
await fetch(link, as(browser, 'POST'))
check('a browser that runs the page is', times('Email Link Clicked') === 1, perennial('customers', 'timeline', 'plain').happenings.map(one => one.event))
const reactions = perennial('campaigns', 'show', 'letters').reactions
check('the campaign counts people and machines apart', JSON.stringify(reactions) === JSON.stringify({ opened: 1, clicked: 1, machine_opened: 1, machine_clicked: 1 }), reactions)

console.log('— what became of the others')
let became = outcomes('letters')
check('the bounce is failed: rejected', became.get('bounce') === 'failed: rejected', became.get('bounce'))
const suppressed = perennial('customers', 'show', 'bounce').suppression
check('and its address is suppressed', suppressed?.address === 'bounce550@example.com', suppressed)
check('a full mailbox is put off', became.get('full') === 'held: put_off', became.get('full'))
check('and not suppressed', !perennial('customers', 'show', 'full').suppression)
check('the greylisted one is put off', became.get('grey') === 'held: put_off', decisions('letters').filter(one => one.customer === 'grey'))
check('a missing name holds the message', became.get('nameless') === 'held: missing_value', became.get('nameless'))
for (const id of ['injector', 'list']) check(`an address that is none gets nothing (${id})`, /^(skipped: no_address|failed: rejected)$/.test(became.get(id) ?? ''), became.get(id))

console.log('— unsubscribing')
const oneClick = (header(plain, 'List-Unsubscribe') ?? '').match(/<([^>]+)>/)?.[1]
const consent = id => (perennial('customers', 'show', id).consent ?? []).find(one => one.purpose === 'marketing')?.status
for (let times = 0; times < 3; times += 1) await fetch(oneClick)
await fetch(oneClick, { method: 'HEAD' })
check('a mail scanner that follows the link changes nothing', consent('plain') === 'granted', consent('plain'))
const forged = await fetch(oneClick.slice(0, -2) + (oneClick.endsWith('aa') ? 'bb' : 'aa'), { method: 'POST', body: 'List-Unsubscribe=One-Click', headers: { 'content-type': 'application/x-www-form-urlencoded' } })
check('a forged link is refused', forged.status === 404 && consent('plain') === 'granted', forged.status)
const clicked = await fetch(oneClick, { method: 'POST', body: 'List-Unsubscribe=One-Click', headers: { 'content-type': 'application/x-www-form-urlencoded' }, redirect: 'manual' })
check('one click is answered without a redirect', clicked.status === 200, clicked.status)
check('and unsubscribes', consent('plain') === 'withdrawn', consent('plain'))
check('nobody else', consent('emoji') === 'granted', consent('emoji'))

console.log('— a comparison group')
const group = Array.from({ length: 60 }, (_, n) => ({ type: 'identify', userId: `half-${n}`, traits: { email: `half-${n}@example.com`, first_name: `H${n}`, group: 'halves' } }))
await send(group)
define('halves.yaml', `
segment: halves
where: { trait: group, is: halves }
---${welcome('halves')}holdout: 50%
`)
await until(20, () => [...outcomes('halves').values()].filter(one => one === 'sent' || one.startsWith('would')).length === 60)
became = outcomes('halves')
const sent = [...became].filter(([, one]) => one === 'sent').map(([id]) => id)
const held = [...became].filter(([, one]) => one === 'would_have_sent: holdout').map(([id]) => id)
check('everybody was drawn', sent.length + held.length === 60 && sent.length > 15 && held.length > 15, { sent: sent.length, held: held.length })
mails = await inbox()
const got = id => mails.filter(mail => mail.to.includes(`${id}@example.com`)).length
check('those who were drawn got one mail each', sent.every(id => got(id) === 1), sent.filter(id => got(id) !== 1))
check('those held out got none', held.every(id => got(id) === 0), held.filter(id => got(id) !== 0))

console.log('— killed while sending')
const PEOPLE = 400, ROUNDS = 3
for (let round = 1; round <= ROUNDS; round += 1) {
  const name = `round-${round}`
  const address = n => n % 10 === 0 ? `slow@r${round}-${n}.example` : `p${n}@r${round}.example`
  await send(Array.from({ length: PEOPLE }, (_, n) => ({ type: 'identify', userId: `${name}-${n}`, traits: { email: address(n), first_name: `N${n}`, group: name } })))
  const before = (await inbox()).length
  define(`${name}.yaml`, `\nsegment: ${name}\nwhere: { trait: group, is: ${name} }\n---${welcome(name)}`)
  // Two deaths a round, at different depths.
  const deaths = [PEOPLE / 8 * round, PEOPLE / 8 * (round + 2)]
  for (const depth of deaths) {
    await until(30, async () => (await inbox()).length - before >= depth)
    await stop('SIGKILL')
    await start()
  }
  const done = () => { const now = [...outcomes(name).values()]; return now.length === PEOPLE && now.every(one => one === 'sent' || one.startsWith('uncertain')) }
  await until(60, done)
  await pause(500)
  became = outcomes(name)
  const mine = (await inbox()).slice(before).filter(mail => !mail.to.includes(people.grey.email))
  const copies = id => mine.filter(mail => mail.to.includes(address(Number(id.split('-')[2])))).length
  const lists = { sent: [], uncertain: [], other: [] }
  for (let n = 0; n < PEOPLE; n += 1) {
    const id = `${name}-${n}`, one = became.get(id) ?? 'nothing'
    ;(lists[one === 'sent' ? 'sent' : one.startsWith('uncertain') ? 'uncertain' : 'other']).push(id)
  }
  console.log(`        ${lists.sent.length} sent, ${lists.uncertain.length} uncertain, ${mine.length} mails arrived`)
  check(`round ${round}: everybody is sent or uncertain`, lists.other.length === 0, lists.other.map(id => [id, became.get(id)]))
  check(`round ${round}: the sent got exactly one`, lists.sent.every(id => copies(id) === 1), lists.sent.filter(id => copies(id) !== 1).map(id => [id, copies(id)]))
  check(`round ${round}: the uncertain got at most one`, lists.uncertain.every(id => copies(id) <= 1), lists.uncertain.filter(id => copies(id) > 1))
  check(`round ${round}: no more are uncertain than were on their way`, lists.uncertain.length <= 20 * deaths.length, lists.uncertain.length)
  check(`round ${round}: no Message-ID twice`, new Set(mine.map(mail => header(mail, 'Message-ID'))).size === mine.length)
}

console.log('— stopped while sending')
{
  const name = 'gentle', address = n => n % 5 === 0 ? `slow@g${n}.example` : `g${n}@gentle.example`
  await send(Array.from({ length: PEOPLE }, (_, n) => ({ type: 'identify', userId: `${name}-${n}`, traits: { email: address(n), first_name: `N${n}`, group: name } })))
  const before = (await inbox()).length
  define(`${name}.yaml`, `\nsegment: ${name}\nwhere: { trait: group, is: ${name} }\n---${welcome(name)}`)
  await until(30, async () => (await inbox()).length - before >= 60)
  const began = Date.now()
  await stop('SIGTERM')
  const seconds = (Date.now() - began) / 1000
  const out = (await inbox()).length - before
  check('a server that is told to stop lets what is on its way arrive and starts nothing else', seconds < 6 && out < PEOPLE, { seconds, out })
  await start()
  await until(60, () => { const now = [...outcomes(name).values()]; return now.length === PEOPLE && now.every(one => one === 'sent') })
  became = outcomes(name)
  // The greylisted mail may arrive meanwhile; it is none of these.
  const mine = (await inbox()).slice(before).filter(mail => !mail.to.includes(people.grey.email))
  check('nobody is uncertain', [...became.values()].filter(one => one === 'sent').length === PEOPLE, [...became].filter(([, one]) => one !== 'sent'))
  check('everybody got exactly one', mine.length === PEOPLE && new Set(mine.map(mail => mail.to.join())).size === PEOPLE, mine.length)
}

console.log('— greylisting, a minute later')
await until(Math.max(5, 75 - (Date.now() - greylistedAt) / 1000), async () => mailOf(await inbox(), 'grey').length > 0 && outcomes('letters').get('grey') === 'sent')
check('the greylisted mail came after its minute', mailOf(await inbox(), 'grey').length === 1, mailOf(await inbox(), 'grey').length)
check('and is sent', outcomes('letters').get('grey') === 'sent', outcomes('letters').get('grey'))
check('it was put off first', decisions('letters').filter(one => one.customer === 'grey').map(one => one.outcome).join() === 'held,sent', decisions('letters').filter(one => one.customer === 'grey'))
mails = await inbox()
check('through all that the first letters stayed one each', expected.every(id => mailOf(mails, id).length === 1))
await stop('SIGTERM')
check('nothing was logged as an error', !/ERROR/.test(fs.readFileSync('server.log', 'utf8')), fs.readFileSync('server.log', 'utf8').split('\n').filter(line => /ERROR/.test(line)).slice(0, 5))
console.log(`${passed} passed, ${failed} failed`)
process.exit(failed ? 1 : 0)
