# The story of push_browser.sh, run in its temporary directory. BINARY and CHROMIUM come from there.
#
# Everything is what customers have, but for one thing: a browser without the internet cannot reach its maker's push service. So in
# the page `pushManager.subscribe` and what it gives are a stand-in, with keys of the story; the story takes what Perennial sends
# to that push service, opens it, and hands it to the browser's service worker as the push service would.
import base64, http.server, json, os, struct, threading, time, urllib.request, zlib

from chromium import Chromium, Desktop
from push_service import Browser, settings
from story import check, end, listen, perennial, start, stop, until, url

AGENT = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36'


def leaf():
    """A green square, as PNG."""
    part = lambda kind, octets: struct.pack('>I', len(octets)) + kind + octets + struct.pack('>I', zlib.crc32(kind + octets))
    rows = b''.join(b'\0' + b'\x2e\x8b\x57' * 64 for _ in range(64))
    head = struct.pack('>IIBBBBB', 64, 64, 8, 2, 0, 0, 0)
    return b'\x89PNG\r\n\x1a\n' + part(b'IHDR', head) + part(b'IDAT', zlib.compress(rows)) + part(b'IEND', b'')


PAGE = '''<!doctype html><html lang="en"><meta charset="utf-8"><title>Tea</title>
<script src="@URL@/v1/push/page.js"></script><script src="/shop.js" defer></script>
<button id="notify">Tell me when my parcel comes</button><button id="stop">No more</button>'''
SHOP_JS = '''const given = new URLSearchParams(location.search);
const tell = asked => { document.title = '…'; asked.then(said => { document.title = `said ${said}` }, error => { document.title = `error: ${error.message}` }) };
document.getElementById('notify').onclick = () => tell(perennialPush.subscribe({ worker: given.get('worker'), token: given.get('token') }));
document.getElementById('stop').onclick = () => tell(perennialPush.unsubscribe());'''
# A shop that had a worker before, with notifications of its own.
WORKER = '''importScripts('@URL@/v1/push/worker.js');
self.addEventListener('push', event => event.waitUntil(self.registration.showNotification('From the shop', { body: event.data.text() })));
self.addEventListener('notificationclick', event => { event.notification.close(); event.waitUntil(self.clients.openWindow('/own')) });'''
POLICY = "default-src 'none'; script-src 'self' @URL@; connect-src @URL@; worker-src 'self'"
WORKER_POLICY = "default-src 'none'; script-src @URL@; connect-src @URL@; img-src 'self'"
asked_for = []


class Shop(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        path = self.path.split('?')[0]
        asked_for.append(self.path)
        if path.endswith('/push.js'):
            kind, policy, body = 'text/javascript', WORKER_POLICY, WORKER.encode()
        elif path == '/shop.js':
            kind, policy, body = 'text/javascript', POLICY, SHOP_JS.encode()
        elif path == '/leaf.png':
            kind, policy, body = 'image/png', POLICY, leaf()
        else:
            kind, policy, body = 'text/html; charset=utf-8', POLICY, PAGE.encode()
        self.send_response(200)
        body = body.replace(b'@URL@', url.encode())
        for name, value in [('content-type', kind), ('content-length', str(len(body))), ('content-security-policy', policy.replace('@URL@', url))]:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Shop)
threading.Thread(target=server.serve_forever, daemon=True).start()
# Two names of one machine are two shops to a browser.
shop, other_shop = f'http://localhost:{server.server_port}', f'http://127.0.0.1:{server.server_port}'

# In the place of the browser's own: as the Push API says, with the next of the subscriptions that the story made.
STAND_IN = '''(() => {
  const octets = text => Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), c => c.charCodeAt(0));
  const kept = () => JSON.parse(localStorage.getItem('kept'));
  const seen = ({ json, key }) => ({
    endpoint: json.endpoint,
    options: { userVisibleOnly: true, applicationServerKey: octets(key).buffer },
    toJSON: () => json,
    unsubscribe: async () => { localStorage.removeItem('kept'); return true },
  });
  PushManager.prototype.getSubscription = async () => kept() && seen(kept());
  PushManager.prototype.subscribe = async ({ userVisibleOnly, applicationServerKey: key }) => {
    if (Notification.permission !== 'granted') throw new DOMException('denied', 'NotAllowedError');
    if (!(await navigator.serviceWorker.getRegistrations()).some(one => one.active)) throw new DOMException('no active Service Worker', 'AbortError');
    if (!userVisibleOnly || octets(key).length !== 65) throw new DOMException('the key is none', 'InvalidAccessError');
    if (kept() && kept().key !== key) throw new DOMException('another key', 'InvalidStateError');
    if (!kept()) {
      const made = Number(localStorage.getItem('made'));
      localStorage.setItem('made', made + 1);
      localStorage.setItem('kept', JSON.stringify({ key, json: @GIVEN@[made] }));
    }
    return seen(kept());
  };
})()'''


def post(path, body):
    request = urllib.request.Request(url + path, json.dumps(body).encode(), method='POST')
    request.add_header('content-type', 'application/json')
    request.add_header('authorization', basic)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def browsers():
    return perennial('customers', 'show', 'zoe')['browsers']


def rows(sql):
    return perennial('query', sql, '--format', 'json')


open('perennial.toml', 'w').write('')
made = perennial('push', 'new')
open('perennial.toml', 'w').write(settings(listen, made['key_file']))
open('shop.yaml', 'w').write(f'''
purpose: marketing
default: granted
---
template: note
channel: push
subject: "{{{{ customer.first_name }}}}, it is back"
body: "{{{{ event.words }}}}"
url: "{shop}/back?a=1"
icon: {shop}/leaf.png
---
campaign: offer
enter: {{ on: {{ did: Visited }}, again: always }}
steps: [ {{ message: note }} ]
''')
perennial('apply', 'shop.yaml')
write_key = perennial('keys', 'create', '--kind', 'server')['key']
basic = 'Basic ' + base64.b64encode(f'{write_key}:'.encode()).decode()
start()
name, words = 'Zoë "🍵" <b>ميّ</b>', 'Tea & cake, <i>today</i> – 100 % 🎂'
post('/v1/identify', {'userId': 'zoe', 'traits': {'first_name': name, 'locale': 'de-AT'}})
token = post('/v1/in-app/token', {'userId': 'zoe'})['token']
subscriptions = [Browser(f'/push/{n}') for n in range(4)]
desktop = Desktop()
browser = Chromium(os.environ['CHROMIUM'], desktop, AGENT)


def visit(where, token, worker='/push.js'):
    tab = browser.open('about:blank')
    given = json.dumps([one.subscription() for one in subscriptions])
    tab.call('Page.enable')
    tab.call('Page.addScriptToEvaluateOnNewDocument', source=STAND_IN.replace('@GIVEN@', given))
    tab.call('Page.navigate', url=f'{where}/?token={token}&worker={worker}')
    tab.until("document.readyState === 'complete' && 'perennialPush' in window")
    tab.call('ServiceWorker.enable')
    return tab


def press(tab, button):
    tab.run(f"document.title = '…'; document.getElementById('{button}').click()", press=True)
    tab.until("document.title !== '…'", 10)
    return tab.run('document.title')


def leave(where, setting):
    for permission in ('notifications', 'push'):
        given = {'name': permission, 'userVisibleOnly': True} if permission == 'push' else {'name': permission}
        browser.call('Browser.setPermission', permission=given, setting=setting, origin=where)


def sends(to, nth):
    """What a customer's visit makes Perennial send to a browser, opened."""
    post('/v1/track', {'userId': 'zoe', 'event': 'Visited', 'properties': {'words': words}})
    until(20, lambda: len(to.heard()) == nth)
    return to.opens(to.heard()[nth - 1][1])


def shows(tab, text):
    """Hands a message to the service worker and gives what the desktop shows of it."""
    known = set(desktop.shown)
    until(5, lambda: f'{shop}/' in browser.registrations)
    tab.call('ServiceWorker.deliverPushMessage', origin=shop, registrationId=browser.registrations[f'{shop}/'], data=text)
    until(10, lambda: set(desktop.shown) - known)
    time.sleep(0.5)
    return [(number, desktop.shown[number]) for number in set(desktop.shown) - known]


def opened(where):
    return browser.find(lambda tab: tab.kind == 'page' and tab.url.startswith(where), 10)


print('— a customer is asked')
leave(shop, 'denied')
page = visit(shop, token)
check('the script loads under the policy that the docs name', page.run('typeof window.perennialPush') == 'object')
check('who says no is not asked again, and nothing breaks', press(page, 'notify') == 'said false' and browsers() == [], page.run('document.title'))
leave(shop, 'granted')
check('nobody is subscribed yet', page.run('perennialPush.isSubscribed()') is False)
refused = visit(shop, 'nonsense')
said = press(refused, 'notify')
check('what Perennial refuses is told in its words', said.startswith('error: show the customer'), said)
check('and the browser does not believe that it is subscribed', refused.run('perennialPush.isSubscribed()') is False)
said = press(page, 'notify')
check('who says yes is subscribed', said == 'said true', said)
check('Perennial knows the browser by its name', [one['browser'] for one in browsers()] == ['Chrome on Linux'], browsers())
check('the page knows it too', page.run('perennialPush.isSubscribed()') is True)
page = visit(shop, token)
check('it is remembered at the next visit, and asking again changes nothing', page.run('perennialPush.isSubscribed()') is True and press(page, 'notify') == 'said true' and len(browsers()) == 1, browsers())

print('— an offer')
phone = subscriptions[1]
message = sends(phone, 1)
shown = shows(page, json.dumps(message))
check('one notification is shown', len(shown) == 1, shown)
number, seen = shown[0]
check('with its title, as it was written', seen['title'] == f'{name}, it is back', seen['title'])
check('with its words', seen['text'].endswith(words), seen['text'])
check('with its picture, fetched by the browser', '/leaf.png' in asked_for and bool(seen['picture']), asked_for)
buttons = {label: key for key, label in seen['actions'].items()}
check('with a button to unsubscribe in the language of the customer', 'Abmelden' in buttons, buttons)
again = shows(page, json.dumps(message))
check('the same message once more takes its place', again == [] and len(desktop.shown) == 1, desktop.shown)
desktop.click(number)
came = opened(f'{shop}/back')
check('a press leads to the shop', came is not None and came.url == f'{shop}/back?a=1', [tab.url for tab in browser.tabs.values()])
check('and the notification is gone', until(5, lambda: desktop.shown == {}) or desktop.shown == {}, desktop.shown)
clicked = lambda: rows("SELECT name FROM events WHERE name = 'Push Clicked'")
check('it is counted once, as a person’s', until(10, clicked) and len(clicked()) == 1, clicked())

print('— notifications of the shop’s own')
shown = shows(page, 'Our tea room opens')
check('are shown by its own worker, once', [(it['title'], it['text'].split('\n')[-1]) for _, it in shown] == [('From the shop', 'Our tea room opens')], shown)
before = len([path for path in asked_for if path == '/'])
desktop.click(shown[0][0])
check('and lead where it says', opened(f'{shop}/own') is not None)
time.sleep(0.5)
check('and nowhere else', not any(tab.url == f'{shop}/' for tab in browser.tabs.values()), [tab.url for tab in browser.tabs.values()])
shown = shows(page, 'null')
check('whatever else comes is the shop’s', [it['title'] for _, it in shown] == ['From the shop'], shown)
desktop.click(shown[0][0])

print('— the browser gets another address')
worker = browser.worker(shop)
moved = subscriptions[2]
done = worker.run(f'''(async () => {{
  PushManager.prototype.subscribe = async ({{ applicationServerKey }}) => ({{ toJSON: () => applicationServerKey && ({json.dumps(moved.subscription())}) }});
  const event = new ExtendableEvent('pushsubscriptionchange');
  self.dispatchEvent(event);
}})()''')
until(10, lambda: rows("SELECT name FROM events WHERE name = 'Push Unsubscribed'"))
check('Perennial is told by the worker alone, and it is one browser still', len(browsers()) == 1, (done, browsers()))
message = sends(moved, 1)
check('the next message goes there', message['title'].startswith('Zoë') and len(phone.heard()) == 1, message)

print('— no more')
shown = shows(page, json.dumps(message))
number, seen = shown[0]
desktop.click(number, {label: key for key, label in seen['actions'].items()}['Abmelden'])
came = opened(f'{url}/u/')
check('the button leads to the page where one says so', came is not None)
came.until("document.readyState === 'complete'")
came.run("document.querySelector('form button').click()", press=True)
check('where one press is enough', came.until("document.body.innerText.includes('You are unsubscribed')"), came.run('document.body.innerText'))
post('/v1/track', {'userId': 'zoe', 'event': 'Visited', 'properties': {'words': words}})
last = lambda: rows('SELECT outcome, because FROM messages ORDER BY decided_at DESC LIMIT 1')
check('offers end with that', until(10, lambda: last()[0]['because'] == 'no_consent'), last())
# As the browser itself keeps it after a change.
page.run(f"localStorage.setItem('kept', JSON.stringify({{ key: JSON.parse(localStorage.getItem('kept')).key, json: {json.dumps(moved.subscription())} }}))")
said = press(page, 'stop')
check('the page can take the browser back', said == 'said undefined' and until(5, lambda: browsers() == []), (said, browsers()))
check('and the browser has forgotten it', page.run('perennialPush.isSubscribed()') is False and page.run("localStorage.getItem('kept')") is None)
check('a second time there is nothing to do', press(page, 'stop') == 'said undefined')

print('— a worker that does not cover the page')
leave(other_shop, 'granted')
page = visit(other_shop, token, '/sw/push.js')
said = press(page, 'notify')
check('serves as well', said == 'said true' and len(browsers()) == 1, said)
check('is found again', page.run('perennialPush.isSubscribed()') is True)
stop()
said = press(page, 'stop')
check('a browser leaves also while Perennial is away', said.startswith('error: ') and page.run("localStorage.getItem('kept')") is None, said)

browser.stop()
desktop.stop()
end()
