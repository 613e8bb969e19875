"""One client library follows a stream of events: prints `open`, then the number of each event when the library hands it over."""
import json, sys

library, url = sys.argv[1:]


def opened(status):
    assert status == 200, status
    print('open', flush=True)


def urllib3():
    import urllib3
    answer = urllib3.PoolManager().request('GET', url, preload_content=False)
    opened(answer.status)
    text = b''
    for piece in answer.stream(128):
        *lines, text = (text + piece).split(b'\n')
        yield from (line.decode() for line in lines)


def requests():
    import requests
    with requests.get(url, stream=True) as answer:
        opened(answer.status_code)
        yield from answer.iter_lines(decode_unicode=True)


def sseclient():
    import requests, sseclient
    answer = requests.get(url, stream=True)
    opened(answer.status_code)
    for event in sseclient.SSEClient(answer).events(): yield 'data: ' + event.data


def httpx():
    import httpx
    with httpx.stream('GET', url, timeout=60) as answer:
        opened(answer.status_code)
        yield from answer.iter_lines()


def httpx_sse():
    import httpx, httpx_sse
    with httpx.Client(timeout=60) as client, httpx_sse.connect_sse(client, 'GET', url) as source:
        opened(source.response.status_code)
        # As its users do: of each event, whatever it is.
        for event in source.iter_sse(): yield 'data: ' + json.dumps(event.json())


def urllib():
    import urllib.request
    with urllib.request.urlopen(url, timeout=60) as answer:
        opened(answer.status)
        for line in answer: yield line.decode().rstrip()


for line in globals()[library]():
    if not line.startswith('data: '): continue
    event = json.loads(line[6:]).get('event')
    if event is not None: print(event['data']['n'], flush=True)
