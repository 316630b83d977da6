import subpaths from './subpaths.json' with { type: 'json' };

/** @type {Partial<import('typedoc').TypeDocOptions>} */
export default {
  name: 'dlock-js',
  includeVersion: true,
  entryPoints: Object.values(subpaths),
  out: 'site',
  readme: 'README.md',
  projectDocuments: ['docs/*.md', 'CHANGELOG.md', 'SECURITY.md'],
  navigation: { includeGroups: false },
  ignoredHighlightLanguages: ['crontab'],
  highlightLanguages: ['typescript', 'javascript', 'bash', 'json', 'ini', 'sql', 'yaml'],
  disableSources: true,
  treatWarningsAsErrors: true,
  validation: { notDocumented: true },
  // All but properties: those of a type that is written where it is used are told by its comment.
  requiredToBeDocumented: [
    'Accessor',
    'Class',
    'Function',
    'Interface',
    'Method',
    'TypeAlias',
    'Variable',
  ],
  intentionallyNotExported: [
    'RedisSubscriberClient',
    'IoredisSubscriberClient',
    'MemcacheConnection',
    'Corkable',
    'QueryOptions',
    'Printable',
    'PostgresJsListening',
  ],
  // The typecheck tells of errors.
  skipErrorChecking: true,
};
