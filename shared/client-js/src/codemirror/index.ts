// One text for any number of writers in CodeMirror: the model of `@codemirror/collab`, with the log as
// its authority.

export { Draft } from './draft.js';
export { EDIT_KIND, EDIT_TYPE, TEXT_TYPE } from './edit.js';
export type { Edit, TextAt } from './edit.js';
export { colourOf, editor, fromEditor, fromOthers, toEditor } from './editor.js';
export type { EditorOptions } from './editor.js';
export { History } from './history.js';
export { joinText, SharedText } from './shared-text.js';
export type { JoinTextOptions, SharedTextEvents, TextDocument, TextHooks } from './shared-text.js';
