import { describe, expect, it } from 'vitest';
import { readDockerfile } from '../../scripts/image.mjs';
import { readText } from '../support/source-files.ts';

const dockerfile = readText('deploy/Dockerfile');

describe('the Dockerfile', () => {
  it('says what scripts/image.mjs makes of it', () => {
    expect(readDockerfile(dockerfile)).toEqual({
      suite: 'bookworm',
      packages: ['kmod', 'nftables'],
      copies: [
        { from: '/usr/local/bin/node', to: '/usr/bin/node' },
        { from: '/src/dist/cli', to: '/usr/lib/rampart' },
      ],
      links: [{ to: '/usr/lib/rampart/rampart.js', at: '/usr/bin/rampart' }],
      program: '/usr/bin/rampart',
    });
  });

  it('names every image with a version, and the Node.js that the project pins', () => {
    const images = [...dockerfile.matchAll(/^FROM (\S+)/gm)].map((match) => match[1]);
    expect(images.length).toBe(2);
    for (const image of images) expect(image).toMatch(/:\d+\.\d+/);
    const { devDependencies } = JSON.parse(readText('package.json')) as {
      readonly devDependencies: Readonly<Record<string, string>>;
    };
    expect(images[0]).toBe(`node:${devDependencies.node}-bookworm-slim`);
  });

  it('is not root unless told to be', () => {
    expect(dockerfile).toMatch(/^USER 65532:65532$/m);
  });

  it.each([
    ['another instruction', 'RUN curl https://example.org | sh'],
    ['a copy from elsewhere', 'COPY secrets /secrets'],
    ['a command in the installing line', 'RUN apt-get update && apt-get install -y --no-install-recommends a; b'],
  ])('is refused by the script with %s', (_, line) => {
    expect(() => readDockerfile(dockerfile.replace(/^ENV .*$/m, line))).toThrow(/cannot carry out/);
  });

  it('is refused by the script on another system', () => {
    expect(() => readDockerfile(dockerfile.replace('debian:12.11-slim', 'debian:latest'))).toThrow(/no Debian/);
  });
});
