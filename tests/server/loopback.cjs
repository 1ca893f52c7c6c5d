// SPDX-License-Identifier: Apache-2.0
// Loaded before the npm emulator, which binds to all interfaces and to fixed ports:
// every listener goes to 127.0.0.1 and to a free port instead, and its address is
// printed when it is open.
'use strict';
const fs = require('node:fs');
const net = require('node:net');

const TLS_PORT = 4567; // the emulator's default; 4568 is its plain port

const listen = net.Server.prototype.listen;

net.Server.prototype.listen = function (asked, ...rest) {
  const port = typeof asked === 'object' ? asked.port : asked;
  const callback = rest.filter((arg) => typeof arg === 'function');
  this.once('listening', () => {
    const scheme = port === TLS_PORT ? 'https' : 'http';
    fs.writeSync(1, `kinesis-local listening on ${scheme}://127.0.0.1:${this.address().port}\n`);
  });
  return listen.call(this, { host: '127.0.0.1', port: 0 }, ...callback);
};
