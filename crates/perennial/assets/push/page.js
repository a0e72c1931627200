// For pages of the shop: perennialPush.subscribe({ worker: '/push.js', token }) asks the customer for leave and registers this
// browser; call it when they press a button. perennialPush.unsubscribe() takes it back.
'use strict';
(() => {
  const place = "$PLACE";
  const memory = 'perennial-push';

  const post = async (path, body, headers) => {
    const answer = await fetch(place + path, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });
    if (!answer.ok) throw new Error((await answer.json()).detail);
  };
  const remember = async kept => {
    const cache = await caches.open(memory);
    await cache.put('/perennial-push', new Response(JSON.stringify(kept)));
  };
  const present = async () => {
    const registration = 'serviceWorker' in navigator && (await navigator.serviceWorker.getRegistration());
    return registration ? registration.pushManager.getSubscription() : null;
  };

  // worker: the shop's own script that imports worker.js. token: the customer's; or, for a visitor nobody knows yet,
  // key (a browser key) and anonymousId. False: the browser cannot, or the customer said no.
  const subscribe = async ({ worker, token, key, anonymousId }) => {
    if (!('serviceWorker' in navigator && 'PushManager' in window)) return false;
    if ((await Notification.requestPermission()) !== 'granted') return false;
    await navigator.serviceWorker.register(worker);
    const registration = await navigator.serviceWorker.ready;
    const applicationServerKey = (await (await fetch(place + 'key')).json()).key;
    const options = { userVisibleOnly: true, applicationServerKey };
    const subscription = await registration.pushManager.subscribe(options).catch(async () => {
      // It was made with another key, which is good for nothing here.
      const old = await registration.pushManager.getSubscription();
      if (old) await old.unsubscribe();
      return registration.pushManager.subscribe(options);
    });
    const said = subscription.toJSON();
    const authorization = token ? 'Bearer ' + token : 'Basic ' + btoa(key + ':');
    await post('subscriptions', { subscription: said, anonymousId }, { Authorization: authorization });
    await remember({ endpoint: said.endpoint, auth: said.keys.auth });
    return true;
  };

  const unsubscribe = async () => {
    const subscription = await present();
    if (!subscription) return;
    const said = subscription.toJSON();
    await post('subscriptions/remove', { endpoint: said.endpoint, auth: said.keys.auth });
    await subscription.unsubscribe();
  };

  window.perennialPush = { subscribe, unsubscribe, isSubscribed: async () => Boolean(await present()) };
})();
