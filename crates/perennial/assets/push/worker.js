// Shows the shop's notifications, and keeps the shop able to send them. A page of the shop registers a worker of its own, such as
// /push.js, whose first line is: importScripts('https://…/v1/push/worker.js');
'use strict';
(() => {
  const place = "$PLACE";
  const memory = 'perennial-push';

  const ask = async (path, options) => {
    const answer = await fetch(place + path, options);
    if (!answer.ok) throw new Error(`${place}${path} answered ${answer.status}`);
    return answer.json();
  };
  const remember = async kept => {
    const cache = await caches.open(memory);
    await cache.put('/perennial-push', new Response(JSON.stringify(kept)));
  };
  const recall = async () => {
    const found = await (await caches.open(memory)).match('/perennial-push');
    return found ? found.json() : null;
  };

  // A worker may show notifications of the shop's own beside ours. What is not ours is left to it, and ours is no matter of it.
  const read = data => {
    try {
      const said = data.json();
      return said && typeof said.id === 'string' && typeof said.title === 'string' ? said : null;
    } catch {
      return null;
    }
  };
  self.addEventListener('push', event => {
    const said = event.data && read(event.data);
    if (!said) return;
    event.stopImmediatePropagation();
    event.waitUntil(
      self.registration.showNotification(said.title || self.location.hostname, {
        body: said.body || '',
        icon: said.icon || undefined,
        tag: said.id,
        data: { perennial: { url: said.url, unsubscribe: said.unsubscribe } },
        actions: said.unsubscribe ? [{ action: 'unsubscribe', title: said.unsubscribe_label || 'Unsubscribe' }] : [],
      }),
    );
  });

  self.addEventListener('notificationclick', event => {
    const ours = event.notification.data && event.notification.data.perennial;
    if (!ours) return;
    event.stopImmediatePropagation();
    event.notification.close();
    event.waitUntil(self.clients.openWindow((event.action === 'unsubscribe' ? ours.unsubscribe : ours.url) || '/'));
  });

  const renew = async event => {
    const before = event.oldSubscription && event.oldSubscription.toJSON();
    const old = before && before.keys ? { endpoint: before.endpoint, auth: before.keys.auth } : await recall();
    // One that Perennial never heard of is somebody else's.
    if (!old) return;
    const fresh =
      event.newSubscription ||
      (await self.registration.pushManager.subscribe({
        userVisibleOnly: true,
        applicationServerKey: (await ask('key')).key,
      }));
    const subscription = fresh.toJSON();
    await ask('subscriptions/renew', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ old: { endpoint: old.endpoint, auth: old.auth }, subscription }),
    });
    await remember({ endpoint: subscription.endpoint, auth: subscription.keys.auth });
  };
  self.addEventListener('pushsubscriptionchange', event => event.waitUntil(renew(event)));
})();
