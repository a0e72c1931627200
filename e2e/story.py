# What the stories in Python share: checks, waits, and the server. A story is run in a temporary directory by judged.sh; BINARY comes
# from there.
import json, os, socket, subprocess, sys, time, urllib.request

BINARY = os.environ['BINARY']
passed = failed = 0
server = None


def check(name, holds, seen=None):
    global passed, failed
    if holds:
        passed += 1
        print(f'ok      {name}')
    else:
        failed += 1
        print(f'FAILED  {name}')
        if seen is not None:
            print(f'        {str(seen)[:2000]}')


def free_port():
    with socket.socket() as one:
        one.bind(('127.0.0.1', 0))
        return one.getsockname()[1]


listen = f'127.0.0.1:{free_port()}'
url = f'http://{listen}'


def perennial(*args):
    out = subprocess.run([BINARY, '--config', 'perennial.toml', '--data-dir', 'data', '--json', *args], stdout=subprocess.PIPE, check=True)
    return json.loads(out.stdout)


def until(seconds, ask):
    end = time.time() + seconds
    while time.time() < end:
        answer = ask()
        if answer:
            return answer
        time.sleep(0.1)
    return ask()


def is_there():
    try:
        return urllib.request.urlopen(f'{url}/healthz', timeout=2).status == 200
    except OSError:
        return False


def start():
    global server
    server = subprocess.Popen([BINARY, '--config', 'perennial.toml', '--data-dir', 'data', 'serve'], stdout=subprocess.DEVNULL, stderr=open('server.log', 'a'))
    open('server.pid', 'w').write(str(server.pid))
    if not until(30, is_there):
        print(open('server.log').read())
        sys.exit(3)


def stop():
    server.terminate()
    server.wait()
    os.unlink('server.pid')


def end():
    print(f'{passed} passed, {failed} failed')
    sys.exit(1 if failed else 0)
