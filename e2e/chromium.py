# A Chromium driven over its DevTools protocol, and the desktop that it shows notifications on: a D-Bus of its own with a
# stand-in for the desktop's notification service, so that a click is the one that a person makes.
import json, os, queue, subprocess, threading, time
from urllib.parse import urlsplit

import websocket
from jeepney import DBusAddress, HeaderFields, MessageType, new_error, new_method_return, new_signal
from jeepney.bus_messages import message_bus
from jeepney.io.blocking import open_dbus_connection

NOTIFICATIONS = DBusAddress('/org/freedesktop/Notifications', 'org.freedesktop.Notifications', 'org.freedesktop.Notifications')


class Desktop:
    """Keeps what it is asked to show. `shown`: id → title, text, actions (key → label), picture (octets of a file or None)."""

    def __init__(self):
        command = ['dbus-daemon', '--session', '--nofork', '--print-address=1']
        self.bus = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        open('bus.pid', 'w').write(str(self.bus.pid))
        self.address = self.bus.stdout.readline().strip()
        self.connection = open_dbus_connection(bus=self.address)
        self.connection.send_and_get_reply(message_bus.RequestName(NOTIFICATIONS.bus_name))
        self.shown, self.count, self.lock = {}, 0, threading.Lock()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                asked = self.connection.receive()
            except (OSError, EOFError, ValueError):
                return
            if asked.header.message_type is MessageType.method_call:
                answer = self.answer(asked)
                with self.lock:
                    self.connection.send(answer)

    def answer(self, asked):
        member = asked.header.fields[HeaderFields.member]
        if member == 'GetCapabilities':
            return new_method_return(asked, 'as', (['actions', 'body', 'icon-static', 'persistence'],))
        if member == 'GetServerInformation':
            return new_method_return(asked, 'ssss', ('stand-in', 'Perennial', '1', '1.2'))
        if member == 'Notify':
            _, replaces, icon, title, text, actions, hints, _ = asked.body
            if not replaces:
                self.count += 1
                replaces = self.count
            file = hints.get('image-path', (None, icon))[1]
            path = urlsplit(file).path
            picture = open(path, 'rb').read() if path and os.path.isfile(path) else hints.get('image-data', (None, None))[1]
            labels = dict(zip(actions[::2], actions[1::2]))
            self.shown[replaces] = {'title': title, 'text': text, 'actions': labels, 'picture': picture}
            return new_method_return(asked, 'u', (replaces,))
        if member == 'CloseNotification':
            self.shown.pop(asked.body[0], None)
            return new_method_return(asked)
        return new_error(asked, 'org.freedesktop.DBus.Error.UnknownMethod', 's', (member,))

    def click(self, number, action='default'):
        """A person presses the notification, or one of its buttons."""
        with self.lock:
            self.connection.send(new_signal(NOTIFICATIONS, 'ActionInvoked', 'us', (number, action)))

    def stop(self):
        self.bus.terminate()
        self.bus.wait()
        os.unlink('bus.pid')


class Chromium:
    """`pages`, `workers`: attached as they come, each a Tab."""

    def __init__(self, binary, desktop, agent):
        """`agent`: what it calls itself; without a screen it would say so, and count as a machine."""
        options = ['--headless=new', f'--user-agent={agent}', '--remote-debugging-port=0', f'--user-data-dir={os.getcwd()}/profile', '--no-first-run']
        options += ['--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-gpu']
        if os.geteuid() == 0:
            options.append('--no-sandbox')
        environment = {**os.environ, 'DBUS_SESSION_BUS_ADDRESS': desktop.address, 'XDG_CONFIG_HOME': os.getcwd()}
        log = open('chromium.log', 'w')
        # A session of its own: some systems start it by a script, whose end is not the browser's.
        self.process = subprocess.Popen([binary, *options, 'about:blank'], stdout=log, stderr=log, env=environment, start_new_session=True)
        open('browser.pid', 'w').write(str(self.process.pid))
        port, path = self.wait_for_port()
        self.socket = websocket.create_connection(f'ws://127.0.0.1:{port}{path}', suppress_origin=True, max_size=None)
        self.answers, self.numbers, self.lock = {}, 0, threading.Lock()
        self.tabs, self.registrations = {}, {}
        threading.Thread(target=self.listen, daemon=True).start()
        self.call('Target.setAutoAttach', autoAttach=True, waitForDebuggerOnStart=False, flatten=True)
        self.call('Target.setDiscoverTargets', discover=True)

    def wait_for_port(self):
        for _ in range(300):
            try:
                port, path = open('profile/DevToolsActivePort').read().split()
                return port, path
            except (OSError, ValueError):
                time.sleep(0.1)
        raise SystemExit(f'Chromium did not start: {open("chromium.log").read()[-2000:]}')

    def listen(self):
        while True:
            try:
                said = json.loads(self.socket.recv())
            except (OSError, ValueError, websocket.WebSocketException):
                return
            if 'id' in said:
                self.answers[said['id']].put(said)
            elif said['method'] == 'Target.attachedToTarget':
                told = said['params']
                self.tabs[told['sessionId']] = Tab(self, told['sessionId'], told['targetInfo'])
            elif said['method'] == 'Target.detachedFromTarget':
                self.tabs.pop(said['params']['sessionId'], None)
            elif said['method'] == 'Target.targetInfoChanged':
                for tab in list(self.tabs.values()):
                    if tab.target == said['params']['targetInfo']['targetId']:
                        tab.url = said['params']['targetInfo']['url']
            elif said['method'] == 'ServiceWorker.workerRegistrationUpdated':
                for one in said['params']['registrations']:
                    self.registrations[one['scopeURL']] = one['registrationId']

    def call(self, method, session=None, **params):
        with self.lock:
            self.numbers += 1
            number = self.numbers
            self.answers[number] = queue.Queue()
            asked = {'id': number, 'method': method, 'params': params}
            self.socket.send(json.dumps({**asked, 'sessionId': session} if session else asked))
        answer = self.answers[number].get(timeout=60)
        del self.answers[number]
        if 'error' in answer:
            raise RuntimeError(f'{method}: {answer["error"]}')
        return answer['result']

    def open(self, url):
        target = self.call('Target.createTarget', url=url)['targetId']
        tab = self.find(lambda tab: tab.target == target)
        tab.until("document.readyState === 'complete'")
        return tab

    def find(self, is_it, seconds=20):
        end = time.time() + seconds
        while time.time() < end:
            for tab in list(self.tabs.values()):
                if is_it(tab):
                    return tab
            time.sleep(0.05)
        return None

    def worker(self, origin):
        return self.find(lambda tab: tab.kind == 'service_worker' and tab.url.startswith(origin))

    def stop(self):
        try:
            self.call('Browser.close')
        except Exception:
            pass
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, 9)
        os.unlink('browser.pid')


class Tab:
    """A page or a worker."""

    def __init__(self, browser, session, info):
        self.browser, self.session = browser, session
        self.target, self.kind, self.url = info['targetId'], info['type'], info['url']

    def call(self, method, **params):
        return self.browser.call(method, self.session, **params)

    def run(self, script, press=False):
        """What an expression gives, awaited. `press`: as if a person had pressed something. An error is given as `error: …`."""
        said = self.call('Runtime.evaluate', expression=script, awaitPromise=True, returnByValue=True, userGesture=press)
        if 'exceptionDetails' in said:
            return 'error: ' + said['exceptionDetails'].get('exception', {}).get('description', said['exceptionDetails']['text'])
        return said['result'].get('value')

    def until(self, script, seconds=20):
        end = time.time() + seconds
        while time.time() < end:
            if self.run(script) is True:
                return True
            time.sleep(0.05)
        return False
