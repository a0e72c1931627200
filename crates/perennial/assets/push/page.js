// For pages of the shop: perennialPush.subscribe({ worker: '/push.js', token }) asks the customer for leave and registers this
// browser; call it when they press a button. perennialPush.unsubscribe() takes it back.
'use strict';
(() => {
  const place = "$PLACE";
  const memory = 'perennial-push';

  // What Perennial answers. What it refuses is an error in its words.
  const ask = async (path, options) => {
    const answer = await fetch(place + path, options);
    if (answer.ok) return answer.json();
    const said = await answer.json().catch(() => ({}));
    throw new Error(said.detail || `${place}${path} answered ${answer.status}`);
  };
  const post = (path, body, headers) =>
    ask(path, { method: 'POST', headers: { 'Content-Type': 'application/json', ...headers }, body: JSON.stringify(body) });
  const remember = async kept => {
    const cache = await caches.open(memory);
    await cache.put('/perennial-push', new Response(JSON.stringify(kept)));
  };
  const recall = async () => {
    const found = await (await caches.open(memory)).match('/perennial-push');
    return found ? found.json() : null;
  };

  const isAble = () => 'serviceWorker' in navigator && 'PushManager' in window && 'Notification' in window;
  const keyOf = subscription => {
    const octets = new Uint8Array((subscription.options && subscription.options.applicationServerKey) || []);
    return btoa(String.fromCharCode(...octets)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
  };
  // Whichever worker of the shop has it; one that somebody else's script made has another key.
  const present = async () => {
    const found = [];
    for (const registration of isAble() ? await navigator.serviceWorker.getRegistrations() : []) {
      const subscription = await registration.pushManager.getSubscription();
      if (subscription) found.push(subscription);
    }
    if (!found.length) return null;
    const known = await recall();
    const told = found.find(subscription => known && subscription.endpoint === known.endpoint);
    if (told) return told;
    const { key } = await ask('key');
    return found.find(subscription => keyOf(subscription) === key) || null;
  };
  // `ready` would wait for ever where the worker's scope does not cover this page.
  const becomesActive = registration =>
    new Promise((resolve, reject) => {
      const worker = registration.active || registration.waiting || registration.installing;
      const look = () => {
        if (registration.active) resolve();
        else if (!worker || worker.state === 'redundant') reject(new Error('the service worker could not be installed'));
      };
      if (worker) worker.addEventListener('statechange', look);
      look();
    });

  // worker: the shop's own script that imports worker.js. token: the customer's; or, for a visitor nobody knows yet,
  // key (a browser key) and anonymousId. False: the browser cannot, or the customer said no.
  const subscribe = async ({ worker, token, key, anonymousId }) => {
    if (!isAble()) return false;
    if ((await Notification.requestPermission()) !== 'granted') return false;
    const registration = await navigator.serviceWorker.register(worker);
    await becomesActive(registration);
    const options = { userVisibleOnly: true, applicationServerKey: (await ask('key')).key };
    const manager = registration.pushManager;
    const before = await manager.getSubscription();
    const subscription = await manager.subscribe(options).catch(async error => {
      // It was made with another key, which is good for nothing here. Of whatever else it is better kept.
      if (error.name !== 'InvalidStateError' || !before) throw error;
      await before.unsubscribe();
      return manager.subscribe(options);
    });
    const said = subscription.toJSON();
    const authorization = token ? 'Bearer ' + token : 'Basic ' + btoa(key + ':');
    try {
      await post('subscriptions', { subscription: said, anonymousId }, { Authorization: authorization });
    } catch (error) {
      // The browser must not believe what Perennial does not know.
      if (!before || before.endpoint !== said.endpoint) await subscription.unsubscribe();
      throw error;
    }
    await remember({ endpoint: said.endpoint, auth: said.keys.auth });
    return true;
  };

  const unsubscribe = async () => {
    const subscription = await present();
    if (!subscription) return;
    const said = subscription.toJSON();
    try {
      await post('subscriptions/remove', { endpoint: said.endpoint, auth: said.keys.auth });
    } finally {
      // Also when Perennial cannot be asked: then the push service tells it.
      await subscription.unsubscribe();
      await caches.delete(memory);
    }
  };

  window.perennialPush = { subscribe, unsubscribe, isSubscribed: async () => Boolean(await present()) };
})();
