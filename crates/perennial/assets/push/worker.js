// Shows the shop's notifications, and keeps the shop able to send them. A page of the shop registers a worker of its own, such as
// /push.js, whose only line is: importScripts('https://…/v1/push/worker.js');
'use strict';
(() => {
  const place = "$PLACE";
  const memory = 'perennial-push';

  const remember = async kept => {
    const cache = await caches.open(memory);
    await cache.put('/perennial-push', new Response(JSON.stringify(kept)));
  };
  const recall = async () => {
    const found = await (await caches.open(memory)).match('/perennial-push');
    return found ? found.json() : null;
  };

  self.addEventListener('push', event => {
    let said = {};
    try {
      said = event.data.json();
    } catch {
      // Something has to be shown: browsers take leave away from those who stay silent.
    }
    event.waitUntil(
      self.registration.showNotification(said.title || self.location.hostname, {
        body: said.body || '',
        icon: said.icon || undefined,
        tag: said.id,
        data: { url: said.url, unsubscribe: said.unsubscribe },
        actions: said.unsubscribe ? [{ action: 'unsubscribe', title: 'Unsubscribe' }] : [],
      }),
    );
  });

  self.addEventListener('notificationclick', event => {
    const { url, unsubscribe } = event.notification.data || {};
    event.notification.close();
    event.waitUntil(self.clients.openWindow((event.action === 'unsubscribe' ? unsubscribe : url) || '/'));
  });

  const renew = async event => {
    const known = await recall();
    const before = event.oldSubscription && event.oldSubscription.toJSON();
    const old = before && before.keys ? { endpoint: before.endpoint, auth: before.keys.auth } : known;
    const fresh =
      event.newSubscription ||
      (await self.registration.pushManager.subscribe({
        userVisibleOnly: true,
        applicationServerKey: (await (await fetch(place + 'key')).json()).key,
      }));
    if (!old) return;
    const subscription = fresh.toJSON();
    const answer = await fetch(place + 'subscriptions/renew', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ old: { endpoint: old.endpoint, auth: old.auth }, subscription }),
    });
    if (answer.ok) await remember({ endpoint: subscription.endpoint, auth: subscription.keys.auth });
  };
  self.addEventListener('pushsubscriptionchange', event => event.waitUntil(renew(event)));
})();
