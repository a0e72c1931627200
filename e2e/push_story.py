# The story of push.sh, run in its temporary directory. BINARY comes from there.
import base64, json, time, urllib.error, urllib.request

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from push_service import Browser, answers, b64, origin, settings, unb64
from story import check, end, listen, perennial, start, stop, until, url


def ask(path, authorization, body):
    request = urllib.request.Request(url + path, json.dumps(body).encode(), method='POST')
    request.add_header('content-type', 'application/json')
    request.add_header('user-agent', 'Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0')
    if authorization:
        request.add_header('authorization', authorization)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


open('perennial.toml', 'w').write('')
made = perennial('push', 'new')
key = serialization.load_pem_private_key(open(made['key_file'], 'rb').read(), None)
point = key.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
check('the key that was made is one of P-256, and its public half is what was printed', made['public_key'] == b64(point), made)
open('perennial.toml', 'w').write(settings(listen, made['key_file']))
open('shop.yaml', 'w').write('''
purpose: marketing
default: granted
---
template: note
channel: push
subject: "{{ customer.first_name }}, it is back"
body: "{{ event.words }}"
url: "https://tea.example/back?who={{ customer.first_name }}"
icon: https://tea.example/leaf.png
---
campaign: offer
enter: { on: { did: Visited }, again: always }
steps: [ { message: note } ]
---
campaign: alert
purpose: service
deadline: 2h
enter: { on: { did: Warned }, again: always }
steps: [ { message: note } ]
''')
perennial('apply', 'shop.yaml')
write_key = perennial('keys', 'create', '--kind', 'server')['key']
basic = 'Basic ' + base64.b64encode(f'{write_key}:'.encode()).decode()
start()

print('— a customer and two browsers')
given = json.load(urllib.request.urlopen(f'{url}/v1/push/key'))['key']
check('pages are given the same key', given == made['public_key'], given)
name = 'Zoë "🍵" <b>'
ask('/v1/identify', basic, {'userId': 'zoe', 'traits': {'first_name': name}})
_, token = ask('/v1/in-app/token', basic, {'userId': 'zoe'})
phone, laptop = Browser('/wpush/v2/phone'), Browser('/wpush/v2/laptop')
for browser in (phone, laptop):
    status, answer = ask('/v1/push/subscriptions', 'Bearer ' + token['token'], {'subscription': browser.subscription()})
    check('a browser is registered', status == 200 and answer == {'subscribed': True}, answer)
shown = perennial('customers', 'show', 'zoe')['browsers']
check('and shown as people call it', [it['browser'] for it in shown] == ['Firefox on Linux'] * 2, shown)

print('— an offer')
words = 'Tea & cake, <i>today</i> – 100 % 🎂'
ask('/v1/track', basic, {'userId': 'zoe', 'event': 'Visited', 'properties': {'words': words}})
until(20, lambda: phone.heard() and laptop.heard())
for browser in (phone, laptop):
    headers, body = browser.heard()[0]
    said = browser.opens(body)
    check('http-ece opens it with the keys of its browser', said['title'] == f'{name}, it is back' and said['body'] == words, said)
    check('it is one record that every push service takes', len(body) <= 4096 and headers['content-encoding'] == 'aes128gcm', headers)
    check('it leads to a counted link', said['url'].startswith(f'{url}/c/') and said['icon'] == 'https://tea.example/leaf.png', said)
    scheme, rest = headers['authorization'].split(' ', 1)
    parts = dict(part.strip().split('=', 1) for part in rest.split(','))
    public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), unb64(parts['k']))
    claims = jwt.decode(parts['t'], public, algorithms=['ES256'], audience=origin)
    in_a_day = time.time() < claims['exp'] <= time.time() + 86400
    check('PyJWT verifies who sent it', scheme == 'vapid' and parts['k'] == made['public_key'] and claims['sub'] == 'mailto:hello@tea.example', claims)
    check('for this push service, and for less than a day', claims['aud'] == origin and in_a_day, claims)
    check('kept as long as it is of use', 0 < int(headers['ttl']) <= 3 * 86400 and headers['urgency'] == 'low', headers)
    check('a topic is short and plain', len(headers['topic']) <= 32 and headers['topic'].replace('-', '').replace('_', '').isalnum(), headers)
(_, one), (_, other) = phone.heard()[0], laptop.heard()[0]
check('no two browsers get the same octets', one[:16] != other[:16] and one[21:86] != other[21:86])
try:
    laptop.opens(one)
    check('nobody else can open it', False)
except Exception:
    check('nobody else can open it', True)

print('— what is long, and what is gone')
answers[laptop.path] = 410
ask('/v1/track', basic, {'userId': 'zoe', 'event': 'Warned', 'properties': {'words': '🍵"\\' * 5000}})
until(20, lambda: len(phone.heard()) == 2)
headers, body = phone.heard()[1]
said = phone.opens(body)
check('a long text is cut so that it fits', len(body) <= 4096 and said['body'].endswith('…') and len(body) > 4000, (len(body), said))
check('an alert is urgent and of use until its deadline', headers['urgency'] == 'high' and int(headers['ttl']) <= 7200, headers)
left = until(20, lambda: len(perennial('customers', 'show', 'zoe')['browsers']) == 1)
check('a browser that its push service does not know is taken off', left)
rows = perennial('query', 'SELECT outcome FROM messages')
check('both messages are sent', 'sent' in json.dumps(rows) and 'failed' not in json.dumps(rows), rows)

stop()
end()
