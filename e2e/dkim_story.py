# The story of dkim.sh, run in its temporary directory. BINARY comes from there.
import base64, json, os, stat, subprocess, urllib.request

import dkim
from aiosmtpd.controller import Controller
from story import BINARY, check, end, free_port, listen, perennial, start, stop, until, url

class Inbox:
    """Keeps what it is handed; hangs up without a reply after the first mail to lost@."""

    def __init__(self):
        self.mails, self.hung_up = [], False

    async def handle_DATA(self, server, session, envelope):
        to = envelope.rcpt_tos[0]
        self.mails.append((to, envelope.content))
        if to.startswith('lost@') and not self.hung_up:
            self.hung_up = True
            server.transport.abort()
        return '250 2.0.0 queued'


inbox = Inbox()
smtp = Controller(inbox, hostname='127.0.0.1', port=free_port())
smtp.start()
records = {}


def configure(keys):
    text = f'[server]\nlisten = "{listen}"\n[email]\nsend = "smtp"\nhost = "127.0.0.1"\nport = {smtp.port}\ntls = "none"\n'
    for key in keys:
        text += f'[[email.dkim]]\ndomain = "{key["domain"]}"\nselector = "{key["selector"]}"\nkey_file = "{key["key_file"]}"\n'
    open('perennial.toml', 'w').write(text)


def define(name, text):
    open(name, 'w').write(text)
    return perennial('apply', name)


def send(batch):
    request = urllib.request.Request(f'{url}/v1/batch', json.dumps({'batch': batch}).encode(), method='POST')
    request.add_header('authorization', 'Basic ' + base64.b64encode(f'{write_key}:'.encode()).decode())
    assert urllib.request.urlopen(request).status == 200


def to(address):
    return [content for rcpt, content in inbox.mails if rcpt == address]


def look_up(name, timeout=5):
    return records.get(name.decode().rstrip('.'), '').encode()


def verifies(verifier, index):
    try:
        return verifier.verify(idx=index, dnsfunc=look_up)
    except dkim.DKIMException:
        return False


def judge(mail):
    """Whether each of its signatures verifies."""
    verifier = dkim.DKIM(mail)
    count = sum(1 for name, _ in verifier.headers if name.lower() == b'dkim-signature')
    return [verifies(verifier, index) for index in range(count)]


print('— keys')
configure([])
keys = [
    perennial('dkim', 'new', 'tea.example', '--selector', 'r1'),
    perennial('dkim', 'new', 'tea.example', '--selector', 'e1', '--kind', 'ed25519'),
    perennial('dkim', 'new', 'tea.example', '--selector', 'r2'),
]
for key in keys:
    records[key['name']] = key['value']
    mode = stat.S_IMODE(os.stat(key['key_file']).st_mode)
    check(f'the private key of {key["selector"]} is its owner\'s alone', mode == 0o600, oct(mode))
    check('and is not printed', 'PRIVATE' not in json.dumps(key), key)
again = subprocess.run([BINARY, '--data-dir', 'data', 'dkim', 'new', 'tea.example', '--selector', 'r1'], capture_output=True)
check('a key is never overwritten', again.returncode == 2 and b'another selector' in again.stderr, again)
if subprocess.run(['sh', '-c', 'command -v openssl'], stdout=subprocess.DEVNULL).returncode == 0:
    subprocess.run(['openssl', 'genrsa', '-out', 'own.pem', '2048'], check=True, stderr=subprocess.DEVNULL)
    public = subprocess.run(['openssl', 'rsa', '-in', 'own.pem', '-pubout', '-outform', 'DER'], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    configure([{'domain': 'tea.example', 'selector': 'own', 'key_file': os.path.abspath('own.pem')}])
    shown = perennial('dkim', 'records')
    check('a key of openssl has the record that openssl gives it', shown[0]['value'] == 'v=DKIM1; k=rsa; p=' + base64.b64encode(public).decode(), shown)

configure(keys[:2])
start()
write_key = perennial('keys', 'create', '--kind', 'server', '--source', 'shop')['key']
define('base.yaml', '''
workspace: settings
sender: { name: "The Tea House, Zoë & Søn", address: hello@tea.example, postal_address: "1 Leaf Lane, London" }
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

  the tea is back.   [See it](https://tea.example/back?a=1&b=2)
---
template: alert
channel: email
subject: "Your pass, {{ customer.first_name }}"
body: "Your pass ends tomorrow."
---
segment: letters
where: { trait: group, is: letters }
---
segment: alerts
where: { trait: group, is: alerts }
---
campaign: letters
enter: { on: { enters: letters } }
steps: [ { id: hello, message: hello } ]
---
campaign: alerts
purpose: service
enter: { on: { enters: alerts } }
steps: [ { id: alert, message: alert } ]
''')

print('— mails of every kind')
people = {
    'plain': 'Ada',
    'quotes': 'Ada "The Countess", <Lady> O\'Neil',
    'emoji': 'Zoë 🫖 茶',
    'breaker': 'Eve\r\nBcc: evil@example.com\r\n\r\nTake this',
    'spaces': '  many   spaces\t and a tab  ',
    'long': 'Anna-Karoline ' * 30,
    'word': 'x' * 300,
    'dots': '.\r\n..\r\n. dots',
    'equals': '=?utf-8?q?fake?= =3D= b=forged; h=From',
    'rtl': '\u202egnp.exe שלום',
}
send([{'type': 'identify', 'userId': name, 'traits': {'email': f'{name}@example.com', 'first_name': first, 'last_name': first[::-1], 'group': 'letters'}} for name, first in people.items()])
until(20, lambda: all(to(f'{name}@example.com') for name in people))
for name in people:
    mails = to(f'{name}@example.com')
    if len(mails) != 1:
        check(f'{name} got one mail', False, len(mails))
        continue
    mail = mails[0]
    check(f'{name}: both signatures verify', judge(mail) == [True, True], (judge(mail), mail.decode()))
    check(f'{name}: it is a multipart', b'multipart/alternative' in mail)
mail = to('plain@example.com')[0]
head = mail.split(b'\r\n\r\n')[0].decode()
signatures = [part for part in head.replace('\r\n ', ' ').split('\r\n') if part.startswith('DKIM-Signature')]
check('signed relaxed in head and body', all('c=relaxed/relaxed' in one for one in signatures), signatures)
listed = [set(tag.split('=', 1)[1].replace(' ', '').lower().split(':')) for one in signatures for tag in one.replace('DKIM-Signature:', '').split(';') if tag.strip().startswith('h=')]
wanted = {'from', 'to', 'subject', 'date', 'message-id', 'mime-version', 'content-type', 'list-unsubscribe', 'list-unsubscribe-post'}
check('over all that a reader sees or presses', len(listed) == 2 and all(wanted <= one for one in listed), listed)
for what, changed in {
    'a changed subject': mail.replace(b'Subject: Ada', b'Subject: Eve'),
    'a changed word': mail.replace(b'Dear Ada', b'Dear Eve'),
    'a second From': b'From: Eve <eve@tea.example>\r\n' + mail,
    'another boundary': mail.replace(b'multipart/alternative', b'multipart/mixed'),
    'another way to unsubscribe': mail.replace(b'List-Unsubscribe: <http', b'List-Unsubscribe: <httpx'),
}.items():
    check(f'{what} is found out', changed != mail and not any(judge(changed)), judge(changed))

print('— a sender for whom no key speaks')
settings = '\nworkspace: settings\nsender: {{ name: Other, address: hello@{}, postal_address: "1 Leaf Lane, London" }}\n'
define('other.yaml', settings.format('other.example'))
send([{'type': 'identify', 'userId': 'nobody', 'traits': {'email': 'nobody@example.com', 'first_name': 'No', 'group': 'letters'}}])
decisions = lambda: [one for one in perennial('decisions', '--campaign', 'letters') if one['customer'] == 'nobody']
until(10, decisions)
check('nothing goes out unsigned, and it says why', not to('nobody@example.com') and 'no key of `email.dkim` signs for other.example' in json.dumps(decisions()), decisions())
define('back.yaml', settings.format('tea.example'))

print('— repeated byte for byte')
send([{'type': 'identify', 'userId': 'lost', 'traits': {'email': 'lost@example.com', 'first_name': 'Lou', 'group': 'alerts'}}])
until(20, lambda: to('lost@example.com'))
until(10, lambda: any(one['outcome'] == 'uncertain' for one in perennial('decisions', '--campaign', 'alerts')))
stop()
configure(keys[2:])
start()
define('moved.yaml', settings.format('news.tea.example'))
until(90, lambda: len(to('lost@example.com')) > 1)
lost = to('lost@example.com')
check('the alert came again', len(lost) == 2, len(lost))
check('with other keys and another sender configured since, it is the same to the byte', len(set(lost)) == 1, lost)
check('and its signatures still verify', judge(lost[0]) == [True, True], judge(lost[0]))
send([{'type': 'identify', 'userId': 'new', 'traits': {'email': 'new@example.com', 'first_name': 'New', 'group': 'letters'}}])
until(20, lambda: to('new@example.com'))
check('a new mail has the new signature, of the domain above the sender', to('new@example.com') and judge(to('new@example.com')[0]) == [True], to('new@example.com'))
stop()
smtp.stop()
check('nothing was logged as an error', 'ERROR' not in open('server.log').read())
end()
